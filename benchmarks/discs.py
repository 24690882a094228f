# SPDX-License-Identifier: Apache-2.0
"""Large images to measure with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.sectors.convert import to_raw

SECTORS = 267_494  # 600 MiB of raw sectors, 548 MB of user data
RAW_SIZE = SECTORS * 2352
_BATCH = 4096


def raw_image(folder: Path) -> Path:
    """A .cue/.bin of one mode 1 track full of noise, every sector valid; in the page cache.

    It has a volume descriptor (ECMA-119, 8.4), which iat looks for.
    """
    rng = np.random.default_rng(1)
    with (folder / "disc.bin").open("wb") as stream:
        for at in range(0, SECTORS, _BATCH):
            count = min(_BATCH, SECTORS - at)
            user = rng.integers(0, 256, (count, 2048), np.uint8)
            if at == 0:
                user[16], user[17] = _descriptors()
            stream.write(to_raw(user, SectorFormat.USER, TrackMode.MODE1, at).data)
    sheet = folder / "disc.cue"
    sheet.write_text('FILE "disc.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    return sheet


def _descriptors() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A primary volume descriptor, as far as anyone here looks, and the end of the set."""
    primary, last = np.zeros(2048, np.uint8), np.zeros(2048, np.uint8)
    primary[:7] = np.frombuffer(b"\x01CD001\x01", np.uint8)
    primary[40:72] = np.frombuffer(b"NOISE".ljust(32), np.uint8)
    size = SECTORS.to_bytes(4, "little") + SECTORS.to_bytes(4, "big")
    primary[80:88] = np.frombuffer(size, np.uint8)
    primary[128:132] = 0, 8, 8, 0  # 2048, in both orders
    last[:7] = np.frombuffer(b"\xffCD001\x01", np.uint8)
    return primary, last
