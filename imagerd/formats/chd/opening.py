# SPDX-License-Identifier: Apache-2.0
"""Open a CHD as an image."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.formats.chd import ours
from imagerd.formats.chd.decoders import FRAME, require
from imagerd.formats.chd.header import LONGEST, Header, parse
from imagerd.formats.chd.hunkmap import read_map
from imagerd.formats.chd.hunks import Hunks
from imagerd.formats.chd.image import ChdImage, Disc
from imagerd.formats.chd.metadata import Block, read_chain
from imagerd.formats.chd.place import Piece, dvd_layout, layout_of, pieces_of
from imagerd.formats.chd.tracks import DVD, Entry, is_gd, read_entries, read_sessions
from imagerd.formats.datafile import DataFile
from imagerd.formats.density import Density
from imagerd.formats.image import Warning_

_BLOCK = SectorFormat.USER.size
_OTHERS = {
    b"GDDD": "a hard disk",
    b"AVAV": "a laserdisc",
    b"AVLD": "a laserdisc",
    b"IDNT": "a hard disk",
    b"CIS ": "a memory card",
}
_MOST_PARENTS = 8
_MOST_BESIDE = 10_000  # files looked at for a parent


def open_image(path: Path, *, allow_outside: bool = False) -> ChdImage:
    """Open the CHD `path`. Its parent, if it needs one, is looked for in the same folder."""
    with ExitStack() as stack:
        try:
            hunks = _open(path, stack, ())
            disc = _disc(path, hunks.header, hunks.blocks)
        except BadInput as error:
            text = str(error)
            raise (error if text.endswith(".") else BadInput(f"{path}: {text}.")) from error
        hunks = _with_unit(hunks, FRAME if disc.layout.is_cd else _BLOCK)
        stack.pop_all()
        return ChdImage(path, hunks, disc)


def _open(path: Path, stack: ExitStack, children: tuple[bytes, ...]) -> Hunks:
    file = DataFile(path)
    stack.callback(file.close)
    header = parse(file.peek(0, LONGEST))
    blocks = read_chain(file, header.meta_offset)
    entries = read_map(file, header)
    used = np.unique(entries["kind"]).tolist()  # headers name more than a disc needs
    require(tuple(header.codecs[kind] for kind in used if kind < len(header.codecs)))
    if header.parent_sha1 is None:
        return Hunks(file, header, entries, blocks)
    beside = _parent(path, header.parent_sha1)
    if header.parent_sha1 in children or len(children) == _MOST_PARENTS:
        raise BadInput("its parents lead in a circle, or too far")
    try:
        parent = _open(beside, stack, (*children, header.parent_sha1))
    except BadInput as error:
        raise BadInput(f"in its parent {beside.name}, {error}") from error
    return Hunks(file, header, entries, blocks, parent)


def _parent(path: Path, sha1: bytes) -> Path:
    """The file beside `path` whose header says that it is the parent."""
    for other in _beside(path):
        try:
            file = DataFile(other)
        except BadInput:
            continue
        try:
            found = parse(file.peek(0, LONGEST))
        except BadInput:
            continue
        finally:
            file.close()
        if sha1 == found.sha1:
            return other
    raise BadInput(
        f"it needs its parent, the CHD whose SHA-1 is {sha1.hex()}; put that into the same folder"
    )


def _beside(path: Path) -> list[Path]:
    """Other CHDs in the folder of `path`, by their names."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        names = [entry.name for entry in islice(entries, _MOST_BESIDE)]
        chds = [name for name in names if name.lower().endswith(".chd") and name != path.name]
        return [path.parent / name for name in sorted(chds)]
    return []


def _with_unit(hunks: Hunks, unit: int) -> Hunks:
    """Versions 3 and 4 do not say what a unit is: their disc does."""
    parent = None if hunks.parent is None else _with_unit(hunks.parent, unit)
    header = hunks.header if hunks.header.unit else replace(hunks.header, unit=unit)
    return replace(hunks, header=header, parent=parent)


def _disc(path: Path, header: Header, blocks: tuple[Block, ...]) -> Disc:
    tags = {block.tag for block in blocks}
    entries = read_entries(blocks)
    if entries:
        return _cd(path, header, blocks, entries)
    if DVD in tags:
        return _dvd(path, header, blocks)
    what = next((name for tag, name in _OTHERS.items() if tag in tags), "raw data")
    raise BadInput(f"it holds {what}, not a disc; extract it by chdman")


def _cd(path: Path, header: Header, blocks: tuple[Block, ...], entries: tuple[Entry, ...]) -> Disc:
    warnings: list[Warning_] = []
    frames = sum(entry.padded for entry in entries)
    if header.hunk % FRAME or header.unit not in (0, FRAME):
        raise BadInput(f"its hunks of {header.hunk} bytes are no frames of a CD")
    if frames * FRAME > header.hunks * header.hunk:
        raise BadInput(f"its tracks have {frames} frames, its data only {header.logical} bytes")
    for entry in entries:
        if entry.sub != "NONE" and entry.stored is entry.body:
            note = f"the subchannel of track {entry.number} is left aside: its sectors are not raw"
            warnings.append(Warning_(path, None, note))
    layout = layout_of(
        entries,
        gd=is_gd(blocks),
        sessions=read_sessions(blocks, len(entries)),
        note=lambda sentence: warnings.append(Warning_(path, None, sentence)),
    )
    return _with_kept(path, blocks, layout, entries, warnings)


def _with_kept(
    path: Path,
    blocks: tuple[Block, ...],
    layout: Layout,
    entries: tuple[Entry, ...],
    warnings: list[Warning_],
) -> Disc:
    """The disc as imagerd noted it, if it did and the sectors are those; else as `layout` says."""
    kept = next((block.data for block in blocks if block.tag == ours.TAG), None)
    if kept is not None:
        noted = ours.parse(kept, [entry.stored for entry in entries])
        pieces = None if noted is None else pieces_of(noted.layout, entries)
        if noted is not None and pieces is not None and noted.layout.medium is layout.medium:
            more = (noted.densities, noted.sheet)
            return Disc(noted.layout, pieces, tuple(warnings), noted.unread, *more)
        note = "what imagerd noted of the disc does not fit the file, and was left aside"
        warnings.append(Warning_(path, None, note))
    pieces = pieces_of(layout, entries)
    assert pieces is not None
    return Disc(layout, pieces, tuple(warnings))


def _dvd(path: Path, header: Header, blocks: tuple[Block, ...]) -> Disc:
    size = SectorFormat.USER.size
    count, left = divmod(header.logical, size)
    if header.hunk % size or left or header.unit not in (0, size):
        raise BadInput(f"its {header.logical} bytes are no blocks of a DVD")
    layout = dvd_layout(count)
    kept = next((block.data for block in blocks if block.tag == ours.TAG), None)
    noted = None if kept is None else ours.parse(kept, [SectorFormat.USER])
    unread: tuple[range, ...] = ()
    densities: tuple[Density, ...] = ()
    if (
        noted is not None
        and not noted.layout.is_cd
        and noted.layout.tracks[0].stored_range == range(count)
    ):
        layout, unread, densities = noted.layout, noted.unread, noted.densities
    piece = Piece(0, count, 0, TrackMode.BLOCKS, SectorFormat.USER)
    return Disc(layout, (piece,), (), unread, densities)
