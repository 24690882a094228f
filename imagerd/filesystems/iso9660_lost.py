# SPDX-License-Identifier: Apache-2.0
"""Root directories of ISO 9660 whose volume descriptors are lost: found by what they look like."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.disc.layout import Track
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.iso9660_records import DIRECTORY, PARENT, SELF, Descriptor, record

_FIRST, _SEARCHED = 16, 512  # programs that make volumes put the roots right behind the path tables


def lost_roots(disc: Blocks, track: Track) -> Iterator[Descriptor]:
    """The directories near the beginning of `track` that are their own parents (ECMA-119, 6.8.2.2).

    Names that begin with a zero byte are Joliet's.
    """
    begin = track.index1 + _FIRST
    stretch = disc.read(begin, max(min(_SEARCHED, track.end - begin), 0))
    for index in range(len(stretch)):
        block, lba = stretch.block(index), begin + index
        own = record(block, 0, disc.holds) if block else None
        if own is None or own.name != SELF or not own.flags & DIRECTORY:
            continue
        parent = record(block, block[0], disc.holds)
        if parent is None or parent.name != PARENT or parent.extent != own.extent:
            continue
        if own.extent not in (lba, lba - track.index1):
            continue
        at = block[0] + block[block[0]]
        listed = record(block, at, disc.holds) if at < len(block) else None
        joliet = listed is not None and len(listed.name) > 1 and not listed.name[0]
        system = "Joliet" if joliet else "ISO 9660"
        yield Descriptor("lost volume descriptor", True, system, joliet, root=own)
