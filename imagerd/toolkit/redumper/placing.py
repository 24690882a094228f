# SPDX-License-Identifier: Apache-2.0
"""Where samples lie in .scram and .state, and sectors as they are on the disc.

Positions are samples (4 bytes, 588 a sector) of the disc: sample 0 is the first of LBA 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.msf import LBA_MIN
from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import Flags
from imagerd.sectors.offset import SAMPLE, SAMPLES
from imagerd.sectors.scramble import scramble
from imagerd.sectors.verify import header_ok, sync_ok
from imagerd.toolkit.redumper.states import State

Samples = npt.NDArray[np.uint32]  # (n,)
SampleStates = npt.NDArray[np.uint8]  # (n,) of State

FILE_START: Final = LBA_MIN * SAMPLES  # of both files


@dataclass(frozen=True, slots=True)
class Shifts:
    """By how many samples what a source gives is late on the disc: audio, and data sectors."""

    audio: int = 0
    data: int = 0

    @property
    def spread(self) -> int:
        """The most samples by which audio and data can overlap."""
        return abs(self.audio - self.data)


def as_on_disc(raw: Bytes2D, lba: int, *, data: bool) -> tuple[Bytes2D, Flags]:
    """(n, 2352) raw sectors with those scrambled that are so on the disc, and which are data.

    In a data track all are data. A row there with a sync, or with the address of its place, came
    unscrambled and is scrambled; one whose address is right only when descrambled came as it is
    on the disc. One with neither is left: `split` of redumper does not take it for data either.
    In an audio track (a pause before data) a row must have both, sync and address.
    """
    plain = header_ok(raw, lba)
    synced = sync_ok(raw)
    if not data:
        turned = is_data = plain & synced
    else:
        is_data = np.ones(len(raw), np.bool_)
        turned = plain | synced
        for row in np.flatnonzero(synced & ~plain).tolist():
            turned[row] = not header_ok(scramble(raw[row : row + 1]), lba + row)[0]
    if not turned.any():
        return raw, is_data
    rows = raw.copy()
    rows[turned] = scramble(raw[turned])
    return rows, is_data


class Scram:
    """The two files, written in ascending order; what overlaps by a shift is put together.

    Samples that are not known stay holes. `disputed` are those of which two readings, equally good,
    differ.
    """

    def __init__(self, scram: BinaryIO, state: BinaryIO, spread: int) -> None:
        self._scram, self._state = scram, state
        self._end = FILE_START
        self._tail = np.zeros(spread, np.uint32)  # the samples before _end
        self._tail_states = np.zeros(spread, np.uint8)
        self.disputed = 0

    def place(self, first: int, samples: Samples, states: SampleStates) -> None:
        """Put `samples` at `first`, which is no more than the spread before the last end."""
        lap = min(max(self._end - first, 0), len(samples))
        if lap:
            samples, states = samples.copy(), states.copy()
            at = len(self._tail) - (self._end - first)
            old = slice(at, at + lap)
            self._join(self._tail[old], self._tail_states[old], samples[:lap], states[:lap])
            self._tail[old], self._tail_states[old] = samples[:lap], states[:lap]
        self._write(first, samples, states)
        self._remember(first, samples, states)

    def finish(self, end: int) -> None:
        """Let both files reach up to sample `end`, if they are shorter."""
        length = max(end, self._end) - FILE_START
        self._scram.truncate(length * SAMPLE)
        self._state.truncate(length)

    def _join(
        self, old: Samples, old_states: SampleStates, new: Samples, new_states: SampleStates
    ) -> None:
        """Make `new` the better of both. Two that are equally good and differ prove neither."""
        worse = new_states < old_states
        differ = (new_states == old_states) & (new != old) & (new_states > State.ERROR_C2)
        new[worse], new_states[worse] = old[worse], old_states[worse]
        new_states[differ] = State.ERROR_C2
        self.disputed += int(differ.sum())

    def _write(self, first: int, samples: Samples, states: SampleStates) -> None:
        known = states != State.ERROR_SKIP
        if not known.any():
            return
        if not known.all():
            samples = np.where(known, samples, np.uint32(0))
        self._scram.seek((first - FILE_START) * SAMPLE)
        self._scram.write(np.ascontiguousarray(samples).data.cast("B"))
        self._state.seek(first - FILE_START)
        self._state.write(np.ascontiguousarray(states).data)

    def _remember(self, first: int, samples: Samples, states: SampleStates) -> None:
        end, spread = first + len(samples), len(self._tail)
        if end > self._end and spread:
            gap = min(max(first - self._end, 0), spread)
            fresh = min(end - self._end, len(samples))
            for tail, new in ((self._tail, samples), (self._tail_states, states)):
                joined = np.concatenate((tail, np.zeros(gap, tail.dtype), new[-fresh:]))
                tail[:] = joined[len(joined) - spread :]
        self._end = max(self._end, end)


def runs(flags: Flags) -> Iterator[tuple[int, int, bool]]:
    """The runs of equal flags: begin, end, and the flag."""
    edges = [0, *(np.flatnonzero(np.diff(flags)) + 1).tolist(), len(flags)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield begin, end, bool(flags[begin])


def sample_states(
    states: npt.NDArray[np.uint8], lba: int, unknown: Iterable[range]
) -> SampleStates:
    """(n * 588,): whole sectors from `lba` on; samples in `unknown` are ERROR_SKIP."""
    spread = np.repeat(states, SAMPLES)
    first = lba * SAMPLES
    for area in unknown:
        begin, end = max(area.start - first, 0), min(area.stop - first, len(spread))
        if begin < end:
            spread[begin:end] = State.ERROR_SKIP
    return spread
