# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a CHD are those that it was made of: the SHA-1s that its header tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from imagerd.base.progress import Progress, Task
from imagerd.formats.chd.image import ChdImage
from imagerd.formats.chd.metadata import overall_sha1


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading all of a CHD found; digests are hexadecimal.

    `raw_right`, `overall_right`: whether the SHA-1 of the data, and that of data and hashed
    metadata, are those of the header; None where the header has none (zeros, or version 3).
    `bad_units`: frames or blocks in hunks that could not be decoded.
    """

    raw_sha1: str
    raw_right: bool | None
    overall_right: bool | None
    bad_units: int

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the header."""
        return (
            self.bad_units == 0
            and self.raw_right in (True, None)
            and self.overall_right is not False
        )


def check(image: ChdImage) -> Task[Checked]:
    """Read all of `image` once and compare its SHA-1s, as `chdman verify` does.

    A task: yields `Progress` in sectors, of the padding between tracks, too.
    """
    header = image.hunks.header
    digest = hashlib.sha1(usedforsecurity=False)
    total, done, bad = header.logical // header.unit, 0, 0
    for rows, good in image.units():
        digest.update(rows.data)
        done += len(rows)
        bad += len(good) - int(good.sum())
        yield Progress(done, total)
    raw = digest.digest()
    overall = overall_sha1(raw, image.hunks.blocks)
    knows_overall = header.version > 3 and any(header.sha1)
    return Checked(
        raw.hex(),
        raw == header.raw_sha1 if any(header.raw_sha1) else None,
        overall == header.sha1 if knows_overall else None,
        bad,
    )
