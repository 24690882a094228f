# SPDX-License-Identifier: Apache-2.0
"""Walks ISO 9660 (with Joliet and High Sierra), as far as it can be read.

Each data track may begin with a volume. All its trees are walked: the Joliet one gives the names,
the primary one what Joliet leaves out. Directories that the tree does not reach (a bad sector on
the way) are found by the path tables. After ECMA-119.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from imagerd.disc.layout import Track
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.gathering import Entry, Gathering, structure
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
    structures, trees = _descriptors(disc, found, track)
    for entry in structures:
        found.add(entry)
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


def _descriptors(
    disc: Blocks, found: Gathering, track: Track
) -> tuple[list[Entry], list[Descriptor]]:
    structures: list[Entry] = []
    trees: list[Descriptor] = []
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
            found.problem(f"Among the volume descriptors {before} cannot be read.")
            unreadable = 0
        structures.append(structure(about.what, lba, 1, about.system, track.session))
        if about.boot_catalogue is not None and disc.holds(about.boot_catalogue):
            structures.append(
                structure("boot catalogue", about.boot_catalogue, 1, "El Torito", track.session)
            )
        if about.tree:
            trees.append(about)
        if about.last:
            break
    if structures:
        system_area = structure("system area", track.index1, _FIRST, "ISO 9660", track.session)
        structures.insert(0, system_area)
    return structures, trees


def _recognised(block: bytes) -> bool:
    return block[1:6] in (b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"BOOT2", b"CDW02")
