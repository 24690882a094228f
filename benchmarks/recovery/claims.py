# SPDX-License-Identifier: Apache-2.0
"""What a program says of the image that it wrote: which sectors it calls good, read from its words.

Where it keeps no account, all that it wrote counts. Marks are one a sector, from LBA 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.recovery.bench import Held, Marks
from imagerd.disc.source import Bytes2D
from imagerd.recovery.mapfile import MapFile, Status

_SKIP_WORDS = 2352  # cd-paranoia puts so many words of 16 bits where it gives up: two sectors
_WORDS = 1176  # a sector


def written(copy: Path, count: int, size: int) -> Held:
    """The image as far as there is one: whole sectors of `size` bytes, all of them claimed.

    A file that was not written is a program that got nothing.
    """
    data = np.fromfile(copy, np.uint8) if copy.exists() else np.zeros(0, np.uint8)
    rows: Bytes2D = np.zeros((count, size), np.uint8)
    whole = min(len(data) // size, count)
    rows[:whole] = data[: whole * size].reshape(whole, size)
    return Held(rows, np.arange(count) < whole)


def by_mapfile(found: MapFile, count: int, size: int) -> Marks:
    """Sectors that ddrescue calls finished as a whole."""
    good = np.zeros(count, np.bool_)
    for block in found.blocks:
        if block.status is Status.FINISHED:
            good[-(-block.pos // size) : (block.pos + block.size) // size] = True
    return good


def by_numbers(text: str, pattern: str, count: int) -> Marks:
    """All but the sectors whose numbers `pattern` finds in `text` (its first group)."""
    return _but([int(number) for number in re.findall(pattern, text, re.MULTILINE)], count)


def by_stages(lists: Sequence[str], count: int, *, aborted: bool) -> Marks:
    """All but safecopy's last list of bad blocks: each stage tries those of the one before.

    A stage that was `aborted` has not come to what lies behind the last of its own list, so there
    the list before holds (safecopy(1), HOWTO).
    """
    bad: list[int] = []
    for number, text in enumerate(lists, 1):
        found = [int(line) for line in text.split()]
        if aborted and number == len(lists):
            found += [block for block in bad if block > max(found, default=-1)]
        bad = found
    return _but(bad, count)


def by_paranoia(text: str, count: int) -> Marks:
    """All but what cd-paranoia skipped, as its ``-e`` tells: the place is in words of 16 bits."""
    words = re.findall(r"^##: -?\d+ \[skip\] @ (\d+)", text, re.MULTILINE)
    spans = (range(int(w) // _WORDS, -(-(int(w) + _SKIP_WORDS) // _WORDS)) for w in words)
    return _but([lba for span in spans for lba in span], count)


def _but(bad: Iterable[int], count: int) -> Marks:
    good = np.ones(count, np.bool_)
    good[[lba for lba in bad if 0 <= lba < count]] = False
    return good
