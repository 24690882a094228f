# SPDX-License-Identifier: Apache-2.0
"""Sectors just outside the sessions: the pregap before each, and the beginning of its lead-out.

A drive delivers audio some samples early or late. What that moves out of a session at one end can
only come from beyond the other: from LBA -150 … -1, or from the lead-out. So once a job's main
area has been read, these are read as well, each once, from the session outward, as far as the
drive gives them. They are kept beside the job's sectors::

    leadin.bin  leadout.bin    2352 bytes a sector; leadin2.bin … of further sessions
    leadin.sub  leadout.sub    96 bytes of raw P–W a sector, where the drive gives them
    overread.json              which sectors they are, and what they are worth; written last

Never at the job's cost: commands and time are bounded, the first thing that goes wrong ends it,
and a job without these files lacks nothing. A drive may claim to have read what it never reached;
where Q names another place the sectors are dropped, where it names none any more they are SUSPECT.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from imagerd.base.errors import MediumError, NotAvailable
from imagerd.base.files import AtomicFile
from imagerd.base.progress import Progress, Task
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import SectorFormat, Session
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import FaultKind, Sectors, SectorState
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.judge import q_addresses
from imagerd.recovery.oddq import q_lag
from imagerd.recovery.reader import Reader
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.geometry import RAW, Flags
from imagerd.sectors.subchannel import q_of

BEFORE, BEHIND = PREGAP, 100  # sectors at most
_SLOW = 4.0  # seconds of a command after which nothing more is asked for at that end
_COMMANDS = 48  # of all ends together
_SECONDS = 60.0  # that the drive may take for all of them
_RECORD = "overread.json"
_HOPELESS = (FaultKind.TIMEOUT, FaultKind.TRANSPORT, FaultKind.NOT_READY)


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


class OverreadRecord(msgspec.Struct, frozen=True):
    """What was read outside the sessions, by which drive."""

    time: float
    drive: DriveRecord
    edges: list[EdgeRecord]


@dataclass(frozen=True, slots=True)
class _Edge:
    """An end of a session: `limit` sectors outward of `border`, upward or downward."""

    where: str
    session: int
    border: int
    limit: int
    up: bool
    audio: bool
    lag: int

    def next(self, got: int, count: int) -> int:
        """The LBA of a command for the `count` sectors that follow `got` ones outward."""
        return self.border + got if self.up else self.border - got - count


@dataclass(slots=True)
class _Purse:
    """What all of it may cost."""

    commands: int = _COMMANDS
    seconds: float = _SECONDS

    @property
    def empty(self) -> bool:
        return self.commands <= 0 or self.seconds <= 0

    def pay(self, result: ReadResult) -> None:
        self.commands -= 1
        self.seconds -= result.seconds


@dataclass(slots=True)
class _Caught:
    """Blocks as they came, the first of them next to the session, and why it ended."""

    blocks: list[Sectors] = field(default_factory=list)
    ended: str = ""

    def __len__(self) -> int:
        return sum(map(len, self.blocks))


def overread(reader: Reader, work: Workspace, drive: DriveRecord) -> Task[OverreadRecord | None]:
    """Read what lies just outside the sessions, once for a job; None if that was done before.

    Where an earlier drive gave nothing at all, another may try. What the disc or the drive does
    only ends it. Raises `NotAvailable` if the folder cannot be written.
    """
    if not work.layout.is_cd:
        return None
    before = read_record(work.folder)
    if before is not None and (before.edges or before.drive == drive):
        return None
    caught: list[tuple[_Edge, _Caught]] = []
    purse = _Purse()
    try:
        for number, edge in enumerate(_edges(work)):
            yield Progress(number, 2 * len(work.layout.sessions), "ends", "overread")
            caught.append((edge, _Caught()))
            _outward(reader, work, edge, caught[-1][1], purse)
    except MediumError:
        pass  # what came before is as good as it was
    return _keep(work.folder, drive, caught)


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
    return tuple(block for block in found if block is not None and len(block))


# -- reading -----------------------------------------------------------------------------------


def _edges(work: Workspace) -> Iterator[_Edge]:
    for session in work.layout.sessions:
        lag = q_lag(range(session.start, session.lead_out), work.read_sub) if work.has_sub else 0
        first, last = session.tracks[0], session.tracks[-1]
        number, audio = session.number, not first.is_data
        yield _Edge("lead-out", number, session.lead_out, BEHIND, True, not last.is_data, lag)
        yield _Edge("lead-in", number, session.start, _before(session), False, audio, lag)


def _before(session: Session) -> int:
    return BEFORE + min(session.start, 0)


def _outward(reader: Reader, work: Workspace, edge: _Edge, caught: _Caught, purse: _Purse) -> None:
    """Read outward in large commands, in smaller ones where one fails, to the end of one sector."""
    count = reader.max_sectors(SectorFormat.RAW)
    while len(caught) < edge.limit and not caught.ended:
        if purse.empty:
            caught.ended = "budget"
            return
        count = min(count, edge.limit - len(caught))
        features = work.job.features
        lba = edge.next(len(caught), count)
        request = ReadRequest(lba, count, c2=features.c2, sub=features.sub, as_audio=edge.audio)
        result = reader.attempt(request)
        purse.pay(result)
        block = _joining(result, edge, count)
        if block is not None:
            caught.blocks.append(block)
        caught.ended = _why_enough(result, edge, count, block)
        if result.fault is not None:
            count = max(count // 2, 1)
    caught.ended = caught.ended or "limit"


def _joining(result: ReadResult, edge: _Edge, count: int) -> Sectors | None:
    """Of what came, the sectors that join what is known and whose Q names no other place."""
    block = result.sectors
    if block is None or (not edge.up and len(block) < count):
        return None
    wrong = np.flatnonzero(_elsewhere(block, edge.lag))
    begin, end = 0, len(block)
    if len(wrong):
        begin, end = (0, int(wrong[0])) if edge.up else (int(wrong[-1]) + 1, end)
    return _part(block, begin, end) if begin < end else None


def _elsewhere(block: Sectors, lag: int) -> Flags:
    if block.sub is None:
        return np.zeros(len(block), np.bool_)
    known, address = q_addresses(q_of(block.sub))
    wrong: Flags = known & (address != np.arange(block.lba, block.end) + lag)
    return wrong


def _part(block: Sectors, begin: int, end: int) -> Sectors:
    part = slice(begin, end)
    sub = None if block.sub is None else block.sub[part]
    c2 = None if block.c2 is None else block.c2[part]
    return Sectors(block.lba + begin, block.format, block.data[part], block.states[part], sub, c2)


def _why_enough(result: ReadResult, edge: _Edge, count: int, block: Sectors | None) -> str:
    """Why nothing more is asked for at this end; "" if more may come."""
    fault = result.fault
    if fault is not None and fault.kind in _HOPELESS:
        return fault.kind.value
    if result.seconds > _SLOW:
        return "slow"
    came = 0 if result.sectors is None else len(result.sectors)
    joins = edge.up or came == count
    if joins and (0 if block is None else len(block)) < came:
        return "Q names another place"
    if fault is None or count > 1:
        return ""
    return fault.kind.value if fault.sense is None else "{:02X}/{:02X}/{:02X}".format(*fault.sense)


# -- keeping -----------------------------------------------------------------------------------


def _keep(folder: Path, drive: DriveRecord, caught: list[tuple[_Edge, _Caught]]) -> OverreadRecord:
    edges = [_keep_edge(folder, edge, got) for edge, got in caught if len(got)]
    record = OverreadRecord(time.time(), drive, edges)
    _write(folder / _RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return record


def _keep_edge(folder: Path, edge: _Edge, caught: _Caught) -> EdgeRecord:
    blocks = caught.blocks if edge.up else caught.blocks[::-1]
    name = edge.where.replace("-", "") + (str(edge.session) if edge.session > 1 else "")
    states = np.concatenate([block.states for block in blocks])
    subs = [block.sub for block in blocks if block.sub is not None]
    checked = False
    if len(subs) == len(blocks):
        sub = np.concatenate(subs)
        known = q_addresses(q_of(sub))[0]
        checked = bool(known.any())
        unproven = _beyond_the_last(known if edge.up else known[::-1])
        states[unproven if edge.up else unproven[::-1]] = SectorState.SUSPECT
        _write(folder / f"{name}.sub", sub.tobytes())
    _write(folder / f"{name}.bin", np.concatenate([block.data for block in blocks]).tobytes())
    cuts = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    runs = [
        (end - begin, SectorState(int(states[begin])).name.lower()) for begin, end in pairwise(cuts)
    ]
    return EdgeRecord(edge.where, edge.session, name, blocks[0].lba, runs, checked, caught.ended)


def _beyond_the_last(known: Flags) -> Flags:
    """Rows farther out than the last that Q knows: a drive that makes sectors up has no Q there."""
    rows: Flags = np.cumsum(known[::-1])[::-1] == 0
    return rows


def _write(path: Path, data: bytes) -> None:
    try:
        with AtomicFile(path, overwrite=True) as file:  # ours, of an earlier attempt
            file.stream.write(data)
            file.commit()
    except OSError as error:
        raise NotAvailable(f"Cannot write {path}: {error.strerror}.") from error


def _sound(folder: Path, edge: EdgeRecord) -> Sectors | None:
    """The part of an edge next to its session that was read without complaint."""
    total = sum(count for count, _ in edge.runs)
    try:
        data = np.frombuffer((folder / f"{edge.name}.bin").read_bytes(), np.uint8)
    except OSError:
        return None
    if len(data) != total * RAW:
        return None
    near = edge.runs[0 if edge.where == "lead-out" else -1]
    if near[1] != SectorState.READ.name.lower():
        return None
    begin = 0 if edge.where == "lead-out" else total - near[0]
    block = Sectors.good(edge.lba, data.reshape(-1, RAW), SectorFormat.RAW)
    return _part(block, begin, begin + near[0])
