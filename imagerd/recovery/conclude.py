# SPDX-License-Identifier: Apache-2.0
"""From evidence to a conclusion: one pure function, so that a better rule serves old evidence.

Of a data sector nothing counts but its EDC, with P and Q right as well; any number of damaged
readings may be put together until it matches. Audio has no such proof. There a sector is good with
two independent readings that agree on all of it; or, from a drive whose C2 pointers were found
trustworthy, byte by byte by readings that do not flag it.

Neither the order of the evidence nor its repetition matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D, SectorState
from imagerd.recovery.reader import Row
from imagerd.recovery.readings import Observation
from imagerd.sectors.combine import erasures, vote
from imagerd.sectors.correct import correct
from imagerd.sectors.verify import whole

_AGREE = 2  # independent readings that must say the same
_DESPITE_C2 = 3  # of bytes that all of them flag, or that some do
_HALF = 2  # a byte counts only if at least every second reading leaves it unflagged


class Kind(Enum):
    """What a sector is, and so how it can be known."""

    MODE1 = "mode 1"
    MODE2 = "mode 2"
    AUDIO = "audio"  # and all else that proves nothing


@dataclass(frozen=True, slots=True)
class Witness:
    """One reading: (2352,) bytes, which of them are flagged, and how it was had."""

    data: Row
    flagged: npt.NDArray[np.bool_] | None
    seen: Observation


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the evidence says: a state, the bytes for it, and whether we put them together."""

    state: SectorState  # PROVEN, or of audio READ: readings that agree may still all be wrong
    data: Row
    composed: bool


def conclude(
    witnesses: Sequence[Witness], lba: int, kind: Kind, *, c2_trusted: bool
) -> Conclusion | None:
    """The conclusion about a sector, None if the evidence does not suffice for READ or more."""
    if not witnesses:
        return None
    ordered = sorted({witness.seen: witness for witness in witnesses}.values(), key=_key)
    if kind is Kind.AUDIO:
        return _audio(ordered, c2_trusted=c2_trusted)
    return _data(ordered, lba, mode2=kind is Kind.MODE2)


def _key(witness: Witness) -> tuple[bytes, float, int]:
    return witness.seen.digest, witness.seen.time, witness.seen.approach


def _distinct(witnesses: Sequence[Witness]) -> list[Witness]:
    """One of each kind of bytes, the one with the fewest flags."""
    best: dict[bytes, Witness] = {}
    for witness in witnesses:
        other = best.get(witness.seen.digest)
        if other is None or flags_of(witness) < flags_of(other):
            best[witness.seen.digest] = witness
    return list(best.values())


def flags_of(witness: Witness) -> int:
    """How many bytes of a reading are flagged."""
    return 0 if witness.flagged is None else int(witness.flagged.sum())


def _data(witnesses: Sequence[Witness], lba: int, *, mode2: bool) -> Conclusion | None:
    distinct = sorted(_distinct(witnesses), key=flags_of)
    rows: Bytes2D = np.stack([witness.data for witness in distinct])
    for row in rows:
        if _whole(row, lba):
            return Conclusion(SectorState.PROVEN, row, composed=False)
    flagged = [
        w.flagged if w.flagged is not None else np.zeros(len(w.data), np.bool_) for w in distinct
    ]
    c2 = np.stack(flagged) if any(flags.any() for flags in flagged) else None
    voted, doubtful = vote(rows, c2)
    for hint in erasures(doubtful, c2):
        mended = correct(voted, lba=lba, mode2=mode2, erasures=hint)
        if mended is None:
            continue
        data = np.frombuffer(mended.data, np.uint8)
        if _whole(data, lba):
            return Conclusion(SectorState.PROVEN, data, composed=True)
    return None


def _whole(row: Row, lba: int) -> bool:
    return bool(whole(row[np.newaxis], lba)[0])


def _audio(witnesses: Sequence[Witness], *, c2_trusted: bool) -> Conclusion | None:
    alone = [witness for witness in witnesses if witness.seen.independent]
    alike = _agreeing(alone)
    if alike is not None:
        return Conclusion(SectorState.READ, alike, composed=False)
    if not c2_trusted:
        return None
    return _by_bytes(alone)


def _agreeing(alone: Sequence[Witness]) -> Row | None:
    """Bytes that enough independent readings have in common, and more than any others have."""
    groups: dict[bytes, list[Witness]] = {}
    for witness in alone:
        groups.setdefault(witness.seen.digest, []).append(witness)
    enough = [group for group in groups.values() if _backed(group)]
    if not enough:
        return None
    best = max(enough, key=len)
    if any(len(group) == len(best) for group in enough if group is not best):
        return None
    return best[0].data


def _backed(group: Sequence[Witness]) -> bool:
    """Whether each byte is left unflagged by enough readings: the same wrong byte comes often."""
    unflagged = [np.ones(len(w.data), np.bool_) if w.flagged is None else ~w.flagged for w in group]
    return len(group) >= _AGREE and bool((np.stack(unflagged).sum(axis=0) >= _AGREE).all())


def _by_bytes(alone: Sequence[Witness]) -> Conclusion | None:
    """Each byte as two readings have it that do not flag it, three if any reading does.

    C2 misses a byte in a thousand or so: one reading may have it otherwise, against three.
    """
    if len(alone) < _AGREE or any(witness.flagged is None for witness in alone):
        return None
    rows = np.stack([witness.data for witness in alone])
    clear = np.stack([~w.flagged for w in alone if w.flagged is not None])
    votes = clear.sum(axis=0)
    needed = np.where(votes == len(alone), _AGREE, _DESPITE_C2)
    # (readings, bytes): how many unflagged readings say the same.
    same = np.stack(
        [((rows == row) & clear).sum(axis=0) * own for row, own in zip(rows, clear, strict=True)]
    )
    most = same.max(axis=0)
    needed = np.maximum(needed, np.where(votes > most, _DESPITE_C2, 0))
    settled = (most >= needed) & (votes - most <= 1) & (votes * _HALF >= len(alone))
    if not settled.all():
        return None
    data = np.take_along_axis(rows, same.argmax(axis=0)[np.newaxis], axis=0)[0]
    return Conclusion(SectorState.READ, data, composed=True)
