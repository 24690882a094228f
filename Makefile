# Two commands for a newcomer: `make demo` and `make test`. Each does its own set-up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Half of the tests' time is waiting: for drives that spin up, for daemons that are killed.
WORKERS := $(shell expr $$(nproc) '*' 3 / 2)

.PHONY: demo test test-kernel soak fuzz lint bench docs clean help

help:  ## the verbs of this file
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## three discs into a running imagerd, with a virtual drive
	$(BIN)/python -m tests.demo

test: $(STAMP)  ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests

test-kernel: $(STAMP)  ## in a real kernel under QEMU: a real /dev/srN, udev, systemd
	$(BIN)/python -m tests.kernel

soak: $(STAMP)  ## thousands of discs in two drives, and nothing lost; CYCLES=4000 SEED=1
	$(BIN)/python -m tests.soak --cycles $(or $(CYCLES),4000) $(if $(SEED),--seed $(SEED))

fuzz: $(STAMP)  ## changed files for every reader, guided if atheris is installed; MINUTES=60 ONLY=chd
	$(BIN)/python -m tests.fuzz --guided --minutes $(or $(MINUTES),60) $(if $(ONLY),--only $(ONLY))

lint: $(STAMP)  ## ruff, mypy --strict, the contract of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## the numbers of docs/performance.md, as ratios
	$(BIN)/python -m benchmarks

docs: $(STAMP)  ## regenerate the generated pages
	$(BIN)/python -m tests.generate_docs

clean:  ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
