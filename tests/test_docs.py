# SPDX-License-Identifier: Apache-2.0
"""What the pages say exists: commands, links, files, modules, configuration keys."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from imagerd.base.config import parse_config
from imagerd.cli import verbs
from tests import config_reference, format_reference

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
INDEX = DOCS / "README.md"
SECTIONS = {"archive", "catalog", "daemon", "policy", "drives", "loader"}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
IN_TREE = re.compile(r"(?<![\w/.~])(?:systemd|imagerd|tests|docs|benchmarks|\.ci)/[\w./-]*\w")
ELSEWHERE = re.compile(r"/(?:home|root|Users)/\w+|/tmp/imagerd-\w+")

of_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code(page: Path) -> str:
    """All code of a page, one piece a line; continued lines are joined."""
    text = page.read_text()
    blocks = [examples(body) if kind == "text" else body for kind, body in FENCE.findall(text)]
    spans = SPAN.findall(FENCE.sub("", text))
    return "\n".join([*blocks, *spans]).replace("\\\n", " ")


def examples(help_text: str) -> str:
    """The lines of a verb's help that a person could type."""
    return "\n".join(re.findall(r"^ {4,}imagerctl .*", help_text, re.MULTILINE))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def commands(page: Path) -> Iterator[list[str]]:
    """Each call of imagerctl in a page, as words; ended by what ends a command in a shell."""
    for call in re.findall(r"(?<![\w/-])imagerctl ([^\n`;|&>)#\\]*)", code(page)):
        yield call.split()


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and the words after it."""
    verb = verbs.find(words[0])
    assert verb is not None, f"there is no imagerctl {words[0]}"
    command, rest = verb.load(), words[1:]
    if isinstance(command, click.Group) and rest and rest[0][0].islower():
        assert rest[0] in command.commands, f"there is no imagerctl {' '.join(words[:2])}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


@of_each_page
def test_every_call_of_imagerctl_is_one_that_it_takes(page: Path) -> None:
    for words in commands(page):
        if not words or not words[0][0].islower():  # `imagerctl --help`, `imagerctl VERB`
            continue
        command, rest = resolve(words)
        known = {opt for parameter in command.params for opt in parameter.opts} | {"--help", "-h"}
        given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= known, f"imagerctl {' '.join(words)}: {given - known}"


def test_the_calls_are_found_at_all() -> None:
    found = [words[0] for page in PAGES for words in commands(page) if words]
    assert {"archive", "watch", "errors", "compare", "convert", "virtual"} <= set(found)


def test_the_index_of_changes_names_only_verbs_that_exist() -> None:
    listed = re.search(
        r"- `imagerctl`: (.*?), with", (ROOT / "CHANGELOG.md").read_text(), re.DOTALL
    )
    assert listed is not None
    assert set(SPAN.findall(listed[1])) == {verb.name for verb in verbs.VERBS}


@of_each_page
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\s*make ([a-z-]+)", code(page), re.MULTILINE)) <= targets


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and Gitea make them."""
    titles = (re.sub(r"[`*]", "", title).lower() for title in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@of_each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_every_page_is_in_the_index() -> None:
    linked = set(LINK.findall(INDEX.read_text()))
    assert {page.name for page in DOCS.glob("*.md")} - {INDEX.name} <= linked


@of_each_page
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for name in IN_TREE.findall(code(page)):
        made_up = "_what" in name or "ROOM" in name
        assert made_up or (ROOT / name).exists(), f"{page.name} names {name}"


@of_each_page
def test_every_module_that_is_run_is_there(page: Path) -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", code(page)):
        assert importlib.util.find_spec(module) is not None, module


@pytest.mark.parametrize(
    "file", [*PAGES, *sorted((DOCS / "images").glob("*.svg"))], ids=lambda file: file.name
)
def test_no_page_tells_of_the_machine_it_was_written_on(file: Path) -> None:
    text = file.read_text()
    assert str(ROOT) not in text
    assert ELSEWHERE.search(text) is None


@of_each_page
def test_every_configuration_that_is_shown_is_accepted(page: Path) -> None:
    for kind, body in FENCE.findall(page.read_text()):
        if kind == "toml" and set(tomllib.loads(body)) <= SECTIONS:
            parse_config(body, environ={"HOME": "/nowhere"})


def test_the_page_on_testing_names_all_the_packages_that_ci_installs() -> None:
    script = (ROOT / ".ci" / "run").read_text().replace("\\\n", " ")
    installed = re.search(r"apt-get install ([^>|]*)", script)
    assert installed is not None
    packages = {word for word in installed[1].split() if not word.startswith("-")}
    page = (DOCS / "testing.md").read_text()
    missing = {name for name in packages if not re.search(rf"(?<![\w-]){re.escape(name)}", page)}
    assert missing <= {"make", "python3", "python3-venv"}


def test_the_tables_of_keys_are_fresh() -> None:
    assert config_reference.reference() in config_reference.PAGE.read_text(), "run make docs"


def test_the_table_of_containers_is_fresh() -> None:
    assert format_reference.reference() in format_reference.PAGE.read_text(), "run make docs"


def test_every_judge_of_a_container_is_asked_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    names = {name for told in format_reference.JUDGES.values() for name in told.split(", ")}
    programs = {name.split(" ")[0] for name in names} - {"both", "libcdio"}
    assert {name for name in programs if f'"{name}"' not in tests} == set()
