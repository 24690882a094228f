# SPDX-License-Identifier: Apache-2.0
"""Sectors just outside the sessions as a job keeps them, beside its own.

::

    leadin.bin  leadout.bin    2352 bytes a sector; leadin2.bin … of further sessions
    leadin.sub  leadout.sub    96 bytes of raw P–W a sector, where the drive gives them
    overread.json              which sectors they are, and what they are worth; written last

A job without them, or with damaged ones, lacks nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile
from imagerd.disc.layout import SectorFormat
from imagerd.disc.source import Bytes2D, Sectors, SectorState
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.judge import q_addresses
from imagerd.sectors.blocks import rows_of
from imagerd.sectors.geometry import RAW, SUB, Flags
from imagerd.sectors.subchannel import q_of

LEAD_IN, LEAD_OUT = "lead-in", "lead-out"
_RECORD = "overread.json"


class EdgeRecord(msgspec.Struct, frozen=True):
    """Sectors from `lba` on in the files `name`.bin and .sub; `runs` are (count, state).

    `where` is "lead-in" (the pregap before the session) or "lead-out"; `ended` says why no more
    came. `checked`: Q named these places, so they are what they seem to be.
    """

    where: str
    session: int
    name: str
    lba: int
    runs: list[tuple[int, str]]
    checked: bool
    ended: str

    @property
    def count(self) -> int:
        """Sectors of all runs."""
        return sum(count for count, _ in self.runs)


class OverreadRecord(msgspec.Struct, frozen=True):
    """What was read outside the sessions, by which drive."""

    time: float
    drive: DriveRecord
    edges: list[EdgeRecord]


@dataclass(slots=True)
class Caught:
    """Blocks read outward from one end of a session, the first next to it; why that `ended`."""

    where: str
    session: int
    blocks: list[Sectors] = field(default_factory=list)
    ended: str = ""

    def __len__(self) -> int:
        return sum(map(len, self.blocks))


def keep(folder: Path, drive: DriveRecord, caught: Iterable[Caught]) -> OverreadRecord:
    """Write what was caught, the record last. Raises `NotAvailable`."""
    edges = [_keep_edge(folder, end) for end in caught if len(end)]
    record = OverreadRecord(time.time(), drive, edges)
    _write(folder / _RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return record


def read_record(folder: Path) -> OverreadRecord | None:
    """The record in a job's folder; None if there is none that can be read."""
    try:
        return msgspec.json.decode((folder / _RECORD).read_bytes(), type=OverreadRecord)
    except (OSError, msgspec.MsgspecError):
        return None


def sound_edges(folder: Path) -> tuple[Sectors, ...]:
    """What was read outside the sessions of a job and is not doubtful, as far as it joins them."""
    record = read_record(folder)
    found = [_sound(folder, edge) for edge in record.edges] if record is not None else []
    return tuple(block for block in found if block is not None)


def sub_before(folder: Path) -> Bytes2D:
    """(n, 96) raw P–W of the sectors just before the first session, the last row that of LBA -1.

    No rows if there is none.
    """
    record = read_record(folder)
    for edge in record.edges if record is not None else ():
        if (edge.where, edge.session) == (LEAD_IN, 1):
            rows = _rows(folder / f"{edge.name}.sub", edge.count, SUB)
            if rows is not None:
                return rows
    return np.empty((0, SUB), np.uint8)


def _keep_edge(folder: Path, caught: Caught) -> EdgeRecord:
    up = caught.where == LEAD_OUT
    blocks = caught.blocks if up else caught.blocks[::-1]
    name = caught.where.replace("-", "") + (str(caught.session) if caught.session > 1 else "")
    states = np.concatenate([block.states for block in blocks])
    subs = [block.sub for block in blocks if block.sub is not None]
    checked = False
    if len(subs) == len(blocks):
        sub = np.concatenate(subs)
        known = q_addresses(q_of(sub))[0]
        checked = bool(known.any())
        unproven = _beyond_the_last(known if up else known[::-1])
        states[unproven if up else unproven[::-1]] = SectorState.SUSPECT
        _write(folder / f"{name}.sub", sub.tobytes())
    _write(folder / f"{name}.bin", np.concatenate([block.data for block in blocks]).tobytes())
    cuts = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    runs = [(end - begin, _word(int(states[begin]))) for begin, end in pairwise(cuts)]
    return EdgeRecord(
        caught.where, caught.session, name, blocks[0].lba, runs, checked, caught.ended
    )


def _beyond_the_last(known: Flags) -> Flags:
    """Rows farther out than the last that Q knows: a drive that makes sectors up has no Q there."""
    rows: Flags = np.cumsum(known[::-1])[::-1] == 0
    return rows


def _word(state: int) -> str:
    return SectorState(state).name.lower()


def _write(path: Path, data: bytes) -> None:
    try:
        with AtomicFile(path, overwrite=True) as file:  # ours, of an earlier attempt
            file.stream.write(data)
            file.commit()
    except OSError as error:
        raise NotAvailable(f"Cannot write {path}: {error.strerror}.") from error


def _sound(folder: Path, edge: EdgeRecord) -> Sectors | None:
    """The part of an edge next to its session that was read without complaint."""
    near, state = edge.runs[0 if edge.where == LEAD_OUT else -1]
    rows = _rows(folder / f"{edge.name}.bin", edge.count, RAW)
    if rows is None or state != _word(SectorState.READ):
        return None
    first = edge.lba if edge.where == LEAD_OUT else edge.lba + edge.count - near
    return rows_of(Sectors.good(edge.lba, rows, SectorFormat.RAW), first, near)


def _rows(path: Path, count: int, size: int) -> Bytes2D | None:
    """A file of `count` rows; None if it is not there or not whole."""
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    return raw.reshape(count, size) if len(raw) == count * size else None
