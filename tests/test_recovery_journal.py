# SPDX-License-Identifier: Apache-2.0
"""The journal: what was appended comes back, and a broken end never makes a false record."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import BadInput, WrongDisc
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.journal import (
    HEADER_SIZE,
    Attempt,
    Barrier,
    Flags,
    Journal,
    Note,
    Record,
    boot_id,
    measure,
    replay,
)

BOOT, LATER = b"a" * 16, b"b" * 16
codes = st.none() | st.tuples(st.integers(0, 15), st.integers(0, 254), st.integers(0, 254))
attempts = st.builds(
    Attempt,
    lba=st.integers(-45150, 2**31 - 1),
    count=st.integers(1, 2**32 - 1),
    runs=st.lists(
        st.tuples(st.integers(1, 2**32 - 1), st.sampled_from(list(SectorState))), max_size=5
    ).map(tuple),
    time=st.integers(0, 2**40).map(lambda ms: ms / 1000),
    seconds=st.integers(0, 2**31).map(lambda us: us / 1e6),
    why=st.sampled_from(list(Why)),
    sense=codes,
    approach=st.integers(0, 255),
    flags=st.sampled_from(list(Flags)) | st.just(Flags.NONE),
)
barriers = st.builds(Barrier, time=st.just(5.0), boot=st.just(BOOT))
notes = st.builds(Note, kind=st.sampled_from(["run", "pass"]), body=st.binary(max_size=40))
records = st.lists(st.one_of(attempts, notes, barriers), max_size=12)


def _written(folder: Path, told: list[Record]) -> Path:
    path = folder / f"journal-{os.urandom(6).hex()}"
    journal = Journal.create(path, "disc")
    for record in told:
        journal.append(record)
    journal.close()
    return path


def _read(path: Path, boot: bytes = BOOT) -> list[Record]:
    extent = measure(path, "disc", boot)
    return list(replay(path, "disc", extent.size))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


@given(told=records)
def test_what_was_appended_comes_back(folder: Path, told: list[Record]) -> None:
    begin = Barrier(1.0, BOOT)
    assert _read(_written(folder, [begin, *told])) == [begin, *told]


@given(told=records, data=st.data())
def test_any_prefix_loads_to_an_older_state(
    folder: Path, told: list[Record], data: st.DataObject
) -> None:
    path = _written(folder, [Barrier(1.0, BOOT), *told])
    whole = path.read_bytes()
    cut = data.draw(st.integers(HEADER_SIZE, len(whole)))
    path.write_bytes(whole[:cut])
    found = _read(path)
    assert found == [Barrier(1.0, BOOT), *told][: len(found)]
    assert len(whole[:cut]) - measure(path, "disc", BOOT).size >= 0


@given(told=records, data=st.data())
def test_a_damaged_byte_ends_the_journal_there(
    folder: Path, told: list[Record], data: st.DataObject
) -> None:
    path = _written(folder, [Barrier(1.0, BOOT), *told])
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(HEADER_SIZE, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    extent = measure(path, "disc", BOOT)
    assert extent.size <= at
    found = list(replay(path, "disc", extent.size))
    assert found == [Barrier(1.0, BOOT), *told][: len(found)]


def test_after_a_reboot_only_what_lies_before_the_last_barrier_counts(tmp_path: Path) -> None:
    sure, unsure = Attempt(0, 5, ((5, SectorState.READ),), 1.0), Note("pass", b"{}")
    path = _written(tmp_path, [Barrier(1.0, BOOT), sure, Barrier(2.0, BOOT), unsure])
    assert _read(path, BOOT)[-1] == unsure
    assert _read(path, LATER) == [Barrier(1.0, BOOT), sure, Barrier(2.0, BOOT)]


def test_without_any_barrier_nothing_counts(tmp_path: Path) -> None:
    assert _read(_written(tmp_path, [Note("run", b"{}")])) == []


def test_going_on_after_a_torn_tail_overwrites_it(tmp_path: Path) -> None:
    path = _written(tmp_path, [Barrier(1.0, BOOT), Note("pass", b"one"), Note("pass", b"two")])
    path.write_bytes(path.read_bytes()[:-1])
    journal = Journal.open(path, "disc", BOOT)
    journal.append(Note("pass", b"3"))
    journal.close()
    assert [r.body for r in _read(path) if isinstance(r, Note)] == [b"one", b"3"]


def test_a_stale_record_behind_a_new_one_is_not_believed(tmp_path: Path) -> None:
    told: list[Record] = [Barrier(1.0, BOOT), Note("pass", b"one"), Note("pass", b"two")]
    whole = _written(tmp_path, told).read_bytes()
    path = _written(tmp_path, [Barrier(1.0, BOOT), Note("pass", b"new")])
    fresh = path.read_bytes()
    path.write_bytes(fresh + whole[len(fresh) :])
    assert [r.body for r in _read(path) if isinstance(r, Note)] == [b"new"]


def test_the_journal_of_another_disc_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, [])
    with pytest.raises(WrongDisc, match="another disc"):
        measure(path, "other", BOOT)


@pytest.mark.parametrize("raw", [b"", b"x" * HEADER_SIZE, b"IMGDJRNL"])
def test_what_is_no_journal_is_refused_in_a_sentence(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(raw)
    with pytest.raises(BadInput, match="journal"):
        measure(path, "disc", BOOT)


def test_a_full_disk_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    journal = Journal.create(path, "disc")
    journal.append(Barrier(1.0, BOOT))
    before, real = path.read_bytes(), os.pwrite

    def half_then_full(fd: int, data: bytes, offset: int) -> int:
        if len(data) < 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:10], offset)

    monkeypatch.setattr(os, "pwrite", half_then_full)
    with pytest.raises(OSError, match="space"):
        journal.append(Note("pass", b""))
    monkeypatch.undo()
    assert path.read_bytes() == before
    journal.append(Note("pass", b"again"))
    journal.close()
    assert _read(path) == [Barrier(1.0, BOOT), Note("pass", b"again")]


def test_this_boot_has_an_id() -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()
