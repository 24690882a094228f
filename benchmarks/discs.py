# SPDX-License-Identifier: Apache-2.0
"""Large images to measure with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.sectors.convert import to_raw

SECTORS = 267_494  # 600 MiB of raw sectors, 548 MB of user data
RAW_SIZE = SECTORS * 2352
_BATCH = 4096


def raw_image(folder: Path) -> Path:
    """A .cue/.bin of one mode 1 track full of noise, every sector valid; in the page cache."""
    rng = np.random.default_rng(1)
    with (folder / "disc.bin").open("wb") as stream:
        for at in range(0, SECTORS, _BATCH):
            count = min(_BATCH, SECTORS - at)
            user = rng.integers(0, 256, (count, 2048), np.uint8)
            stream.write(to_raw(user, SectorFormat.USER, TrackMode.MODE1, at).data)
    sheet = folder / "disc.cue"
    sheet.write_text('FILE "disc.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    return sheet
