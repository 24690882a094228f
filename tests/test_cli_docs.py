# SPDX-License-Identifier: Apache-2.0
"""The pages on the command line agree with the commands."""

from __future__ import annotations

import re

import click
import pytest

from imagerd.base.errors import ExitCode
from imagerd.cli import failures, verbs
from tests.generate_docs import CLI_PAGE, DOCS, cli_page

SILENT = {"completion", "remove"}  # a script for a shell; nothing


def test_the_reference_is_fresh() -> None:
    assert CLI_PAGE.read_text() == cli_page(), "run make docs"


def test_every_exit_code_is_documented_under_its_name() -> None:
    page = (DOCS / "exit-codes.md").read_text()
    table = page.split("## Verb by verb")[0]
    rows = re.findall(r"^\| (\d+) \| (?:`(\w+)`|–) \|", table, re.MULTILINE)
    named = {name: int(code) for code, name in rows if name}
    assert named == {code.name: code.value for code in ExitCode}
    unnamed = {int(code) for code, name in rows if not name}
    assert unnamed == {failures.INTERRUPT, failures.BROKEN_PIPE}


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda verb: verb.name)
def test_a_verb_says_in_its_help_what_the_table_says(verb: verbs.Verb) -> None:
    command = verb.load()
    assert command.name == verb.name
    assert command.help is not None
    assert command.help.split("\n\n")[0].replace("\n", " ") == verb.summary
    assert verb.section in verbs.SECTIONS


def _commands(command: click.Command) -> list[click.Command]:
    if isinstance(command, click.Group):
        return [leaf for sub in command.commands.values() for leaf in _commands(sub)]
    return [command]


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda verb: verb.name)
def test_a_verb_has_examples_and_every_option_has_help(verb: verbs.Verb) -> None:
    command = verb.load()
    assert f"imagerctl {verb.name}" in (command.help or "")
    for leaf in _commands(command):
        for parameter in leaf.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{verb.name} {parameter.name}"


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda verb: verb.name)
def test_every_verb_that_tells_something_prints_json(verb: verbs.Verb) -> None:
    for leaf in _commands(verb.load()):
        if leaf.name in SILENT:
            continue
        assert any("--json" in parameter.opts for parameter in leaf.params), leaf.name
