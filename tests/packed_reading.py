# SPDX-License-Identifier: Apache-2.0
"""Reading of packed images in tests: all the bytes, and which of them are FAILED; any damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.source import SectorSource, SectorState
from imagerd.formats import open_image


def stored_bytes(source: SectorSource, step: int = 512) -> tuple[bytes, list[int]]:
    """All sectors as they are stored, and the LBAs of those that are FAILED or SUSPECT."""
    parts, failed = [], []
    lba = source.layout.start
    while lba < source.layout.end:
        block = source.read(lba, min(step, source.layout.end - lba))
        parts.append(block.data.tobytes())
        failed += [lba + int(row) for row in np.flatnonzero(block.states != SectorState.READ)]
        bad = np.flatnonzero(block.states == SectorState.FAILED)
        assert sum(fault.count for fault in block.faults) == len(bad)
        lba = block.end
    return b"".join(parts), failed


def damaged(data: st.DataObject, content: bytes, *, head: int = 256) -> bytes:
    """`content` with some bytes changed, more of them in the first `head`, and maybe cut short."""
    result = bytearray(content)
    places = st.integers(0, min(head, len(content)) - 1) | st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(places, min_size=1, max_size=5)):
        result[at] = data.draw(st.integers(0, 255))
    return bytes(result[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])


def opens_or_says_why(path: Path) -> None:
    """A sentence, or an image whose sectors come or are FAILED; at most some thousand are read."""
    try:
        image = open_image(path)
    except BadInput as error:
        if not str(error).endswith("."):
            raise AssertionError(f"no sentence: {error}") from error
        return
    with image:
        for lba in range(0, min(image.layout.end, 3000), 300):
            block = image.read(lba, 64)
            failed = int((block.states == SectorState.FAILED).sum())
            assert sum(fault.count for fault in block.faults) == failed
