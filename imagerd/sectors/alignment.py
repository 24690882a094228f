# SPDX-License-Identifier: Apache-2.0
"""By how many samples the same audio lies later in one reading than in another.

Both hold the same samples bit for bit, or damage: so what is looked for is not likeness but the
same few samples in a row, of which there are none other near. Silence, a tone and a loop are like
themselves in many places and tell nothing; damage takes votes away and gives none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import Flags
from imagerd.sectors.offset import SAMPLE, SAMPLES

Keys = npt.NDArray[np.uint64]

_RUN: Final = 4  # samples in a row that must be the same
_FEWEST: Final = 48  # runs that must say the same
_CLEARLY: Final = 4  # times as many as say anything else
# Odd numbers without a pattern: what makes one number of a run.
_FACTORS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Place:
    """What a place tells. `asked`: it holds something that could be found nowhere else near.

    `samples`: by how many the other reading has it later; None: that was not found there.
    """

    asked: bool
    samples: int | None = None


def displacement(mine: Bytes2D, good: Flags, its: Bytes2D, its_good: Flags, ahead: int) -> Place:
    """Look for (n, 2352) audio sectors in (m, 2352) of another reading.

    `good` (n,) and `its_good` (m,): sectors of which the bytes came. `its` begins `ahead` sectors
    before the address of `mine`.
    """
    keys, at = _distinct(*_runs(mine, good))
    if len(keys) < _FEWEST or 2 * int(its_good.sum()) < len(its_good):
        return Place(asked=False)
    its_keys, its_at = _runs(its, its_good)
    there, counts = np.unique(its_keys, return_counts=True)
    often = np.isin(keys, there[counts > 1])
    if 2 * int(often.sum()) > len(keys):
        return Place(asked=False)
    its_keys, its_at = _distinct(its_keys, its_at)
    _, one, two = np.intersect1d(keys, its_keys, assume_unique=True, return_indices=True)
    found = its_at[two] - at[one] - ahead * SAMPLES
    shifts, votes = np.unique(found, return_counts=True)
    best = int(votes.argmax()) if len(votes) else 0
    others = np.delete(votes, best) if len(votes) else votes
    if not len(votes) or votes[best] < max(_FEWEST, _CLEARLY * int(others.max(initial=0))):
        return Place(asked=True)
    return Place(asked=True, samples=int(shifts[best]))


def _runs(rows: Bytes2D, good: Flags) -> tuple[Keys, npt.NDArray[np.intp]]:
    """A number for each run of samples that came and are not all the same, and where it begins."""
    samples = np.ascontiguousarray(rows).reshape(-1).view(f"<u{SAMPLE}").astype(np.uint64)
    known = np.repeat(good, SAMPLES)
    count = max(len(samples) - _RUN + 1, 0)
    keys, changing = np.zeros(count, np.uint64), np.zeros(count, np.bool_)
    for step, factor in enumerate(_FACTORS):
        part = samples[step : step + count]
        keys += part * np.uint64(factor)
        changing |= part != samples[:count]
    whole = known[:count] & known[_RUN - 1 : _RUN - 1 + count]
    at = np.flatnonzero(whole & changing)
    return keys[at], at


def _distinct(keys: Keys, at: npt.NDArray[np.intp]) -> tuple[Keys, npt.NDArray[np.intp]]:
    """The runs that are there once only."""
    found, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return found[counts == 1], at[first[counts == 1]]
