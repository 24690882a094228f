# SPDX-License-Identifier: Apache-2.0
"""Walks ISO 9660 (with Joliet and High Sierra), as far as it can be read.

Each data track may begin with a volume. All its trees are walked: the Joliet one gives the names,
the primary one what Joliet leaves out. Directories that the tree does not reach (a bad sector on
the way) are found by the path tables, roots whose descriptor is lost by a search. After ECMA-119.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from imagerd.disc.layout import Track
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.gathering import Entry, Gathering, structure
from imagerd.filesystems.iso9660_lost import lost_roots
from imagerd.filesystems.iso9660_records import Descriptor, descriptor
from imagerd.filesystems.iso9660_tree import Tree

_FIRST = 16  # 6.2.1: the data area begins here
_MOST_DESCRIPTORS = 64
_IN_A_ROW = 4  # unreadable blocks in which a further descriptor may hide

_Place: TypeAlias = tuple[int, int]  # of a file: its first LBA (-1: none) and its size
_Listed: TypeAlias = tuple[str, _Place]


def walk(disc: Blocks, found: Gathering) -> None:
    """Add what the ISO 9660 volumes on `disc` hold, the newest session first."""
    newer: set[_Listed] = set()
    for track in reversed(disc.tracks):
        _walk_volume(disc, found, track, newer)


def _walk_volume(disc: Blocks, found: Gathering, track: Track, newer: set[_Listed]) -> None:
    trees = _trees(disc, found, track)
    listed: Counter[_Place] = Counter()
    roots: set[int | None] = set()  # an enhanced descriptor names that of the primary once more
    for about in sorted(trees, key=lambda about: not about.joliet):
        tree = Tree(disc, found, about, track)
        if tree.root in roots:
            continue
        roots.add(tree.root)
        tree.walk()
        own = Counter(map(_place, tree.files))
        for file in tree.files:
            place = _place(file)
            # Unless the trees before name all that lies here, or a later session has it as it is.
            if listed[place] < own[place] and (file.path, place) not in newer:
                newer.add((file.path, place))
                found.keep(file)
        listed |= own


def _place(file: Entry) -> _Place:
    return (file.extents[0].start if file.extents else -1, file.size)


def _trees(disc: Blocks, found: Gathering, track: Track) -> list[Descriptor]:
    """The trees of the volume on `track`, each by its descriptor; adds what the volume needs."""
    descriptors = list(_descriptors(disc, found, track))
    trees = [about for _, about in descriptors if about.tree]
    if not trees and not disc.read(track.index1 + _FIRST).readable(0):
        trees = list(lost_roots(disc, track))
        if trees:
            found.lost(
                f"No volume descriptor can be read; by search, {len(trees)} root directories were"
                " found."
            )
    session = track.session
    if descriptors or trees:
        found.add(structure("system area", track.index1, _FIRST, "ISO 9660", session))
    for lba, about in descriptors:
        found.add(structure(about.what, lba, 1, about.system, session))
        catalogue = about.boot_catalogue
        if catalogue is not None and disc.holds(catalogue):
            found.add(structure("boot catalogue", catalogue, 1, "El Torito", session))
    return trees


def _descriptors(disc: Blocks, found: Gathering, track: Track) -> Iterator[tuple[int, Descriptor]]:
    """The volume descriptors on `track`, each with its LBA."""
    unreadable = 0
    for lba in range(track.index1 + _FIRST, track.index1 + _FIRST + _MOST_DESCRIPTORS):
        block = disc.read(lba).block(0)
        about = descriptor(block, disc.holds) if block else None
        if about is None:
            unreadable = 0 if block else unreadable + 1
            # UDF's recognition sequence may lie between (ECMA-167, 2/8.3): go on a little.
            if (block and not _recognised(block)) or unreadable > _IN_A_ROW:
                break
            continue
        if unreadable:
            before = f"LBA {lba - unreadable} to {lba - 1}"
            found.lost(f"Among the volume descriptors {before} cannot be read.")
            unreadable = 0
        yield lba, about
        if about.last:
            break
    if unreadable:
        found.lost(f"LBA {lba}, where a volume descriptor may be, cannot be read.")


def _recognised(block: bytes) -> bool:
    return block[1:6] in (b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"BOOT2", b"CDW02")
