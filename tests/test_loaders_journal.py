# SPDX-License-Identifier: Apache-2.0
"""The line's journal: whole lines only, one run at a time, and a position that follows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.devices.loaders.contract import Place
from imagerd.devices.loaders.journal import (
    Entry,
    Event,
    Phase,
    Position,
    StackJournal,
    Verb,
    position_of,
    read_journal,
)

STORY = (
    Entry(Event.RUN, 1.0, text="robot, drive"),
    Entry(Event.SEND, 2.0, 1, Verb.LOAD, Place.INPUT, Place.DRIVE, "I"),
    Entry(Event.IN_DRIVE, 3.0, 1),
    Entry(Event.VERDICT, 4.0, 1, accept=True),
    Entry(Event.SEND, 5.0, 1, Verb.UNLOAD, Place.DRIVE, Place.ACCEPT, "A"),
    Entry(Event.OUT, 6.0, 1, target=Place.ACCEPT),
)
PHASES = (
    Phase.IDLE,
    Phase.LOADING,
    Phase.IN_DRIVE,
    Phase.JUDGED,
    Phase.UNLOADING,
    Phase.IDLE,
)


def test_the_position_follows_the_story() -> None:
    for count, phase in enumerate(PHASES, 1):
        assert position_of(STORY[:count]).phase is phase
    assert position_of(STORY) == Position(disc=1, accept=True, accepted=1)


@given(cut=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_torn_last_line_is_a_motion_that_was_never_sent(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "line.jsonl"
    with StackJournal(path) as journal:
        for entry in STORY:
            journal.write(entry)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    with StackJournal(path) as journal:
        assert journal.position == position_of(STORY[:lines])
        journal.write(STORY[0])
    assert read_journal(path) == [*STORY[:lines], STORY[0]]


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.jsonl"
    with StackJournal(path), pytest.raises(NotAvailable, match="Another run"):
        StackJournal(path)
    StackJournal(path).close()


@pytest.mark.parametrize("content", [b"a disc image", b'{"event":"run","time":"x"}\n', b"[]\n{"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "game.bin"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a loader's journal"):
        StackJournal(path)
    assert path.read_bytes() == content


def test_a_disk_that_is_full_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "line.jsonl"
    really = os.write
    with StackJournal(path) as journal:
        journal.write(STORY[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: really(fd, data[:7]))
            with pytest.raises(NotAvailable, match="nothing moves"):
                journal.write(STORY[1])
        journal.write(STORY[1])
    assert read_journal(path) == list(STORY[:2])
