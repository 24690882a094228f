# SPDX-License-Identifier: Apache-2.0
"""Profile tables: shipped ones are right, wrong ones get one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerd.base.errors import BadInput
from imagerd.devices.loaders.contract import Place
from imagerd.devices.loaders.profile import load_profile, parse_profile, shipped_profiles

MINIMAL = """
name = "mine"
base = "generic"
"""


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_is_sound_and_named_as_its_file(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert profile.line.baud == 9600


def test_a_profile_of_the_operator_s_starts_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL + "[line]\nbaud = 38400\n[status]\n'31' = 'its lid is open'\n")
    profile = load_profile(str(path))
    assert profile.line.baud == 38400
    assert profile.meaning(31) == "its lid is open"
    assert profile.meaning(22) == "nothing could be picked from the input bin"
    assert "does not know" in profile.meaning(99)
    assert [step.target for step in profile.commands.reject] == [Place.GRIPPER, Place.REJECT]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = ", "is not TOML"),
        (MINIMAL + "[line]\nbuad = 1\n", "buad"),
        (MINIMAL + "[line]\nparity = 'X'\n", "parity"),
        (MINIMAL + "[commands]\nversion = 'VV'\n", "'VV' is not one letter"),
        (
            MINIMAL + "[commands]\nload = [{ send = 'I', from = 'input', to = 'gripper' }]\n",
            "load must lead from input to drive",
        ),
        ("name = 'x'\nbase = 'nimbus'\n", "No loader profile 'nimbus'"),
        ("name = 'x'\n", "commands"),
    ],
)
def test_a_wrong_table_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        parse_profile(text, where="mine.toml")


def test_a_profile_that_is_not_there_gets_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"there are .*generic"):
        load_profile("nimbus")
    with pytest.raises(BadInput, match="Cannot read"):
        load_profile("/nowhere/mine.toml")
