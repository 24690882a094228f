# SPDX-License-Identifier: Apache-2.0
"""Reading just outside the sessions: the pregap before each, the beginning of its lead-out.

A drive delivers audio some samples early or late. What that moves out of a session at one end can
only come from beyond the other: from LBA -150 … -1, or from the lead-out. So once a job's main
area has been read, these are read as well, each once, from the session outward, as far as the
drive gives them.

Never at the job's cost: commands and time are bounded, and the first thing that goes wrong ends it.
A drive may claim to have read what it never reached; where Q names another place the sectors are
dropped, where it names none any more they are SUSPECT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imagerd.base.errors import MediumError
from imagerd.base.progress import Progress, Task
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import SectorFormat, Session
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import FaultKind, Sectors
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.judge import q_addresses
from imagerd.recovery.oddq import q_lag
from imagerd.recovery.outside import (
    LEAD_IN,
    LEAD_OUT,
    Caught,
    OverreadRecord,
    keep,
    read_record,
)
from imagerd.recovery.reader import Reader
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.blocks import rows_of
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import q_of

BEFORE, BEHIND = PREGAP, 100  # sectors at most
_SLOW = 4.0  # seconds of a command after which nothing more is asked for at that end
_COMMANDS = 48  # of all ends together
_SECONDS = 60.0  # that the drive may take for all of them
_HOPELESS = (FaultKind.TIMEOUT, FaultKind.TRANSPORT, FaultKind.NOT_READY)


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
    caught: list[Caught] = []
    purse = _Purse()
    try:
        for edge in _edges(work):
            caught.append(Caught(edge.where, edge.session))
            yield from _outward(reader, work, edge, caught[-1], purse)
    except MediumError:
        pass  # what came before is as good as it was
    return keep(work.folder, drive, caught)


def _edges(work: Workspace) -> Iterator[_Edge]:
    for session in work.layout.sessions:
        lag = q_lag(range(session.start, session.lead_out), work.read_sub) if work.has_sub else 0
        first, last = session.tracks[0], session.tracks[-1]
        number, audio = session.number, not first.is_data
        yield _Edge(LEAD_OUT, number, session.lead_out, BEHIND, True, not last.is_data, lag)
        yield _Edge(LEAD_IN, number, session.start, _before(session), False, audio, lag)


def _before(session: Session) -> int:
    return BEFORE + min(session.start, 0)


def _outward(
    reader: Reader, work: Workspace, edge: _Edge, caught: Caught, purse: _Purse
) -> Task[None]:
    """Read outward in large commands, in smaller ones where one fails, until one sector fails."""
    count = reader.max_sectors(SectorFormat.RAW)
    while len(caught) < edge.limit and not caught.ended:
        if purse.empty:
            caught.ended = "budget"
            return
        yield Progress(len(caught), edge.limit, what=f"reading the {edge.where}")
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
    return rows_of(block, block.lba + begin, end - begin) if begin < end else None


def _elsewhere(block: Sectors, lag: int) -> Flags:
    if block.sub is None:
        return np.zeros(len(block), np.bool_)
    known, address = q_addresses(q_of(block.sub))
    wrong: Flags = known & (address != np.arange(block.lba, block.end) + lag)
    return wrong


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
