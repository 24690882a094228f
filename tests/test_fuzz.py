# SPDX-License-Identifier: Apache-2.0
"""Every reader against a few hundred changed files; ``make fuzz`` tries as many as there is time.

What is allowed: to open, or to refuse in a sentence. No other error, no hang, no more memory than
is allowed, no file opened outside of the folder and none written. See docs/security.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import OperatorError
from imagerd.formats import Container
from tests.fuzz.corpora import MAKERS, groups, names, specimen
from tests.fuzz.inputs import made
from tests.fuzz.mutate import Sweep, changed, is_text
from tests.fuzz.pool import Tally, Worker
from tests.fuzz.targets import refused, target_of
from tests.fuzz.worker import Found, Order, Report, laid_out

INPUTS = 200  # of each reader, over all its specimens
SEED = 2026


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made_one:
        yield made_one


def test_every_container_has_a_specimen() -> None:
    assert set(Container) <= set(MAKERS)


@pytest.mark.parametrize("group", groups())
def test_changed_files_are_read_or_refused_in_a_sentence(group: str, worker: Worker) -> None:
    tally = Tally()
    each = max(20, INPUTS // len(names(group)))
    for name in names(group):
        order = Order(group, name, SEED, 0, each)
        for at, found in tally.add(order, worker.run(order)):
            again = f"python -m tests.fuzz --only {at.group}/{at.name} --seed {SEED}"
            pytest.fail(f"{again} --number {found.number}\n{found.kind}\n{found.told}")
    assert tally.tried == each * len(names(group))
    assert tally.opened, "inputs that are all refused show little"


@pytest.mark.parametrize("group", groups())
def test_what_is_whole_is_taken(group: str, tmp_path: Path) -> None:
    """A specimen that were refused would be of no use: its inputs would end at the first check."""
    for name in names(group):
        if name == "dat_entities":
            continue
        of = specimen(group, name)
        for file, content in of.files.items():
            content.write(tmp_path / file)
        assert target_of(group)(tmp_path / of.main), name
        for file in of.files:
            (tmp_path / file).unlink()


@pytest.mark.parametrize("group", groups())
@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=3000), kept=st.integers(0, 64))
def test_any_bytes_are_read_or_refused_in_a_sentence(group: str, data: bytes, kept: int) -> None:
    """Behind the first bytes of a right one, so that it is that reader which looks at them."""
    of = specimen(group, names(group)[0])
    whole = of.files[of.main].data
    with tempfile.TemporaryDirectory() as folder:
        for name, content in of.files.items():
            if name != of.main and len(content.data) < 1 << 20:
                content.write(Path(folder) / name)
        path = Path(folder) / of.main
        path.write_bytes(whole[:kept] + data + (whole[-kept:] if kept % 2 else b""))
        try:
            target_of(group)(path)
        except OperatorError as error:
            refused(error)


# -- the fuzzer itself: what it is to notice, it notices ------------------------------------------


def test_the_same_seed_and_number_are_the_same_input() -> None:
    of = specimen("cue", "cue")
    inputs = [made(of, 3, number) for number in range(200)]
    assert inputs == [made(of, 3, number) for number in range(200)]
    changes = [tuple((name, content.data) for name, content in one.items()) for one in inputs]
    assert len(set(changes)) > 150
    assert made(of, 4, 1) != made(of, 3, 1)


def test_a_sweep_reaches_every_place_of_a_small_file() -> None:
    data = bytes(range(200))
    reached, lengths = set(), set()
    for at in range(4000):
        result = Sweep(data)[at]
        lengths.add(len(result))
        if len(result) == len(data):
            reached |= {place for place in range(200) if result[place] != data[place]}
    assert reached == set(range(200))
    assert len(lengths) > 150


def test_text_is_known_by_its_letters() -> None:
    assert is_text(b'FILE "a.bin" BINARY\r\n')
    assert not is_text(b"\0\1\2") and not is_text(b"")


@given(data=st.binary(max_size=500), seed=st.integers(0, 1000))
def test_any_file_can_be_changed(data: bytes, seed: int) -> None:
    assert isinstance(changed(data, Random(seed), [b"other", data]), bytes)


@pytest.mark.parametrize("what", ["crash", "hang", "memory", "outside", "written", "error"])
def test_what_goes_wrong_is_found_and_the_rest_is_tried(what: str) -> None:
    """A target that does all that no reader may do, on its third input."""
    with Worker(targets="tests.fuzz.wrong", seconds=1.0) as wrong:
        report = wrong.run(Order("sbi", "sbi", 1, _INPUT[what], 3))
    assert [found.number for found in report.found] == [_INPUT[what] + 2], report
    assert report.tried == 3
    assert _KIND[what] in f"{report.found[0].kind} {report.found[0].told}"


_INPUT = {"crash": 0, "hang": 100, "memory": 200, "outside": 300, "written": 400, "error": 500}
_KIND = {
    "crash": "SIGSEGV", "hang": "hang", "memory": "MemoryError", "outside": "opened outside",
    "written": "written", "error": "ValueError",
}  # fmt: skip


def test_findings_of_one_place_are_told_once(tmp_path: Path) -> None:
    tally, order = Tally(), Order("sbi", "sbi", 1, 0, 10)
    twice = [
        Found(3, "ValueError", "sbi.py:1 parse", ""),
        Found(7, "ValueError", "sbi.py:1 parse", ""),
    ]
    assert [at.first for at, _ in tally.add(order, Report(tried=10, found=twice))] == [3]
    assert tally.times == {("ValueError", "sbi.py:1 parse"): 2}
    main = laid_out(Order("sbi", "sbi", 1, 3, 1), tmp_path / "kept")
    assert main.read_bytes() == made(specimen("sbi", "sbi"), 1, 3)["x.sbi"].data
