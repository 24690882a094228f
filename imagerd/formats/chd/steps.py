# SPDX-License-Identifier: Apache-2.0
"""Units of a disc as whole hunks, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from imagerd.disc.source import Bytes2D

_STEP = 640 << 10  # bytes that are packed together


class Hash(Protocol):
    """Takes bytes, as those of `hashlib` do."""

    def update(self, data: memoryview, /) -> None:
        """Add `data`."""
        ...


def step_size(hunk: int) -> int:
    """Bytes of a step: at most `_STEP`, or one hunk."""
    return max(1, _STEP // hunk) * hunk


def hunks_of(
    units: Iterator[Bytes2D], hunk: int, raw: Hash, room: Callable[[], Bytes2D] | None = None
) -> Iterator[Bytes2D]:
    """(n, `hunk`) bytes, a step at a time, the last filled up with zeros.

    `raw` hears the units, and not what they are filled up with. `room` gives the bytes in which the
    next step is laid, `step_size` of them, flat; by default each has its own.
    """
    size = step_size(hunk)
    step, used = _room(size, room), 0
    for rows in units:
        data = np.ascontiguousarray(rows).reshape(-1)
        raw.update(data.data)
        while len(data):
            part = data[: size - used]
            step[used : used + len(part)] = part
            used, data = used + len(part), data[len(part) :]
            if used == size:
                yield step.reshape(-1, hunk)
                step, used = _room(size, room), 0
    if used:
        whole = -(-used // hunk) * hunk
        step[used:whole] = 0
        yield step[:whole].reshape(-1, hunk)


def _room(size: int, room: Callable[[], Bytes2D] | None) -> Bytes2D:
    return np.empty(size, np.uint8) if room is None else room()
