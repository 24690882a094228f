# SPDX-License-Identifier: Apache-2.0
"""What the records of a journal mean for the sector map; the same at once and at a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from imagerd.disc.source import SectorState, States
from imagerd.recovery.evidence import ErrorRange, Why
from imagerd.recovery.journal import Attempt, Doubt, Flags, Note, Record
from imagerd.recovery.sectormap import BAD, SectorMap


def states_of(attempt: Attempt) -> States:
    """The runs of an attempt as an array of one state a sector."""
    counts = [count for count, _ in attempt.runs]
    return np.repeat(np.array([state for _, state in attempt.runs], np.uint8), counts)


def joined(records: Iterable[Record]) -> Iterator[Record]:
    """The same story in fewer words: commands in a row that all went well as one."""
    held: Attempt | None = None
    for record in records:
        if held is not None and isinstance(record, Attempt) and _goes_on(held, record):
            count, state = held.count + record.count, held.runs[0][1]
            held = Attempt(held.lba, count, ((count, state),), held.time)
            continue
        if held is not None:
            yield held
        held = record if isinstance(record, Attempt) else None
        if held is None:
            yield record
    if held is not None:
        yield held


def _goes_on(held: Attempt, record: Attempt) -> bool:
    return (
        record.lba == held.lba + held.count
        and len(held.runs) == len(record.runs) == 1
        and held.runs[0][1] == record.runs[0][1] > SectorState.SUSPECT
        and held.flags == record.flags == Flags.NONE
    )


def replayed(sectors: SectorMap, notes: list[Note], record: Record) -> None:
    """Take a record of the journal into the map, or among the notes."""
    if isinstance(record, Attempt):
        apply(sectors, record)
    elif isinstance(record, Doubt):
        apply_doubt(sectors, record)
    elif isinstance(record, Note):
        notes.append(record)


def apply_doubt(sectors: SectorMap, doubt: Doubt) -> None:
    """What a doubt tells the map."""
    end = doubt.lba + doubt.count
    if doubt.why is Why.LOST:
        sectors.lose(doubt.lba, end)
        return
    for run in list(sectors.ranges((SectorState.READ,), doubt.lba, end)):
        sectors.doubt(run.start, run.stop)
        sectors.errors.add(
            ErrorRange(run.start, len(run), doubt.why, None, 1, 0, doubt.time, doubt.time)
        )


def apply(sectors: SectorMap, attempt: Attempt) -> None:
    """What an attempt tells the map; the same when it happens and when it is replayed."""
    at = attempt.lba
    if attempt.flags & Flags.CONFIRMED:
        sectors.confirmed.add(range(at, at + attempt.count))
    alone = int(bool(attempt.flags & Flags.ALONE))
    for count, state in attempt.runs:
        sectors.raise_to(at, state, count)
        if state in BAD and attempt.why is not Why.NONE:
            sectors.errors.add(
                ErrorRange(
                    at, count, attempt.why, attempt.sense, 1, alone, attempt.time, attempt.time
                )
            )
        elif attempt.flags & Flags.REPAIRED and state > SectorState.SUSPECT:
            sectors.repaired.add(range(at, at + count))
        at += count
