# SPDX-License-Identifier: Apache-2.0
"""Odd frames of Q read again: what was made so comes out the same each time, damage rarely does.

Only frames that may be intentional are read again, a few hundred at most; the sectors themselves
are not touched. The result is a note in the job's journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from imagerd.base.progress import Progress, Task
from imagerd.devices.reading import ReadRequest
from imagerd.disc.source import Bytes2D
from imagerd.recovery.journal import Note
from imagerd.recovery.judge import q_addresses
from imagerd.recovery.oddq import BadQ, q_lag
from imagerd.recovery.reader import Reader
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.subchannel import q_of

KIND = "q-again"
_TIMES = 2
_FRAMES = 256  # SecuROM 1 has 216
_SECONDS = 120.0  # that the drive may take for all of them
_FAILURES = 3  # in a row


class QAgain(msgspec.Struct, frozen=True):
    """Journal note "q-again": of each LBA, how often its frame came again, and came the same."""

    frames: list[tuple[int, int, int]]


def reread_q(reader: Reader, work: Workspace, frames: Sequence[BadQ]) -> Task[QAgain]:
    """Read the sectors of `frames` again for their Q, twice, at other times each.

    What could not be read again is not in the note. Raises what `Reader.attempt` raises.
    """
    lags = {area: q_lag(area, work.read_sub) for area in work.layout.ranges()}
    counts = {frame.lba: [0, 0] for frame in frames[:_FRAMES]}
    seconds, failures = 0.0, 0
    for turn in range(_TIMES):
        for number, frame in enumerate(frames[:_FRAMES]):
            yield Progress(number, len(counts), "frames", f"reading Q again, {turn + 1}")
            lba = frame.lba - _lag_of(frame.lba, lags)
            reader.flush_cache(lba)
            result = reader.attempt(ReadRequest(lba, 1, sub=True))
            seconds += result.seconds
            failures = failures + 1 if result.sectors is None else 0
            if result.sectors is not None and result.sectors.sub is not None:
                times, same = _compared(q_of(result.sectors.sub), frame)
                counts[frame.lba][0] += times
                counts[frame.lba][1] += same
            if seconds > _SECONDS or failures >= _FAILURES:
                return _noted(work, counts)
    return _noted(work, counts)


def confirmed(frames: Iterable[BadQ], work: Workspace) -> tuple[BadQ, ...]:
    """`frames` without those that came out differently more often than not when read again."""
    again: dict[int, tuple[int, int]] = {}
    for note in work.notes:
        if note.kind == KIND:
            for lba, times, same in msgspec.json.decode(note.body, type=QAgain).frames:
                known = again.get(lba, (0, 0))
                again[lba] = (known[0] + times, known[1] + same)
    found = []
    for frame in frames:
        times, same = again.get(frame.lba, (0, 0))
        if same * 2 >= times:
            found.append(BadQ(frame.lba, frame.q, frame.crc, frame.made, same))
    return tuple(found)


def _compared(q: Bytes2D, frame: BadQ) -> tuple[int, int]:
    """(1, 1) if the (1, 12) frame is the same again, (1, 0) if not; (0, 0) for another sector's."""
    if q[0].tobytes() == frame.q + frame.crc:
        return 1, 1
    known, address = q_addresses(q)
    slipped = bool(known[0] and address[0] != frame.lba)
    return (0, 0) if slipped else (1, 0)


def _lag_of(lba: int, lags: dict[range, int]) -> int:
    return next((lag for area, lag in lags.items() if lba - lag in area), 0)


def _noted(work: Workspace, counts: dict[int, list[int]]) -> QAgain:
    told = QAgain([(lba, times, same) for lba, (times, same) in counts.items() if times])
    if told.frames:
        work.note(Note(KIND, msgspec.json.encode(told)))
    return told
