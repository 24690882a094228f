# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a CHD are those that it was made of: the SHA-1s that its header tells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from imagerd.base.progress import Progress, Task
from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.hunks import Hunks
from imagerd.formats.chd.metadata import overall_sha1
from imagerd.formats.image import OwnDigest
from imagerd.sectors.geometry import Flags


def check(hunks: Hunks, units: Iterable[tuple[Bytes2D, Flags]]) -> Task[tuple[OwnDigest, ...]]:
    """Digest all `units`, as `chdman verify` does; what the header lacks is not among the answers.

    A task: yields `Progress` in sectors, of the padding between tracks, too.
    """
    header = hunks.header
    digest = hashlib.sha1(usedforsecurity=False)
    total, done = header.logical // header.unit, 0
    for rows, _ in units:
        digest.update(rows.data)
        done += len(rows)
        yield Progress(done, total)
    raw = digest.digest()
    found = []
    if any(header.raw_sha1):
        found.append(OwnDigest("data", header.raw_sha1.hex(), raw.hex()))
    if header.version > 3 and any(header.sha1):
        overall = overall_sha1(raw, hunks.blocks)
        found.append(OwnDigest("data and metadata", header.sha1.hex(), overall.hex()))
    return tuple(found)
