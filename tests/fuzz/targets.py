# SPDX-License-Identifier: Apache-2.0
"""What is done with a changed file: all that imagerd would do before it trusts any of it.

A target returns True if the file was taken, raises `OperatorError` if it was refused, and
`AssertionError` where what it gave is not as it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from imagerd.base.errors import OperatorError
from imagerd.base.progress import run
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Layout
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.filesystems.dvdvideo import played
from imagerd.filesystems.filetable import FileTable
from imagerd.formats import Container, Image, identify, open_image
from imagerd.formats.cue.opening import read_sheet
from imagerd.formats.image import Placed
from imagerd.formats.sbi import parse_sbi
from imagerd.toolkit.checksums import check_files, read_checksum_file
from imagerd.toolkit.dat.opening import read_dats
from imagerd.toolkit.dat.writing import write_dat
from imagerd.toolkit.info import info
from imagerd.toolkit.maps import account_of_map, sector_map_of
from imagerd.toolkit.redumper.reading import ScramImage
from imagerd.toolkit.undo import Journal

Target = Callable[[Path], bool]

_IN_A_ROW = 300  # sectors read one block after another
_PLACES = 60  # further places that are read
_MOST = 10**9  # sectors asked for: a reader bounds that itself


def target_of(group: str) -> Target:
    """What reads the files of that group."""
    return _OTHERS.get(group, image)


def image(path: Path) -> bool:
    """Open an image, read of it, tell what is on it."""
    if identify(path) is Container.CUE:
        assert read_sheet(path).render() == path.read_bytes(), "a sheet is not as it was"
    opened = open_image(path)
    try:
        _use(opened, path.parent)
    finally:
        opened.close()
    return True


def _use(opened: Image, folder: Path) -> None:
    for warning in opened.warnings:
        is_sentence(str(warning))
    for file in opened.files:
        assert file.resolve().is_relative_to(folder.resolve()), f"{file} lies outside"
    _check_layout(opened.layout)
    for lba, count in _reads(opened.layout):
        _check(opened, opened.read(lba, count), lba, count)
        if isinstance(opened, Placed):
            place = opened.where(lba)
            assert place is None or place.offset >= 0, "a sector before its file"
    info(opened)


def _check_layout(layout: Layout) -> None:
    assert layout.tracks, "a disc without tracks"
    assert layout.sectors > 0
    before = None
    for track in layout.tracks:
        assert track.start <= track.index1 <= track.end, f"track {track.number} is inside out"
        assert before is None or before <= track.start, f"track {track.number} lies on another"
        before = track.end


def _reads(layout: Layout) -> Iterator[tuple[int, int]]:
    """From the start on, then the borders of tracks and what lies between them."""
    areas = [area for area in layout.ranges() if len(area)]
    if not areas:
        return
    yield areas[0].start, _MOST
    places = []
    for track in layout.tracks:
        places += [track.start, track.index1, (track.start + track.end) // 2, track.end - 1]
    inside = (lba for lba in dict.fromkeys(places) if any(lba in area for area in areas))
    for _, lba in zip(range(_PLACES), inside, strict=False):
        yield lba, 8
    last = areas[-1]
    for lba in range(last.start, min(last.stop, last.start + _IN_A_ROW), 25):
        yield lba, 25


def _check(source: SectorSource, block: Sectors, lba: int, count: int) -> None:
    assert block.lba == lba, f"asked for LBA {lba}, got {block.lba}"
    assert 1 <= len(block) <= min(count, 2048), f"{len(block)} sectors at once"
    assert block.data.shape == (len(block), block.format.size), "rows of another length"
    assert block.sub is None or block.sub.shape == (len(block), 96)
    failed = int(np.count_nonzero(block.states == SectorState.FAILED))
    told = sum(fault.count for fault in block.faults)
    assert told >= failed, f"{failed} sectors failed, {told} have a fault"


def is_sentence(text: str) -> None:
    """Whether it is one line. Raises `AssertionError`."""
    assert "\n" not in text and "\r" not in text, f"more than a line: {text!r}"
    assert len(text) < 6000, f"a sentence of {len(text)} characters"


def refused(error: OperatorError) -> None:
    """Whether a refusal says in a sentence what is wrong. Raises `AssertionError`."""
    text = str(error)
    is_sentence(text)
    assert text.endswith("."), f"no sentence: {text!r}"


def filesystem(path: Path) -> bool:
    """The files of an image's volumes, and of a DVD-Video."""
    opened = open_image(path)
    try:
        table = FileTable.of(opened)
        for problem in table.problems:
            is_sentence(problem)
        for entry in table.entries:
            assert entry.extents is not None
        table.hit(range(16, 40))
        played(opened, table)
    finally:
        opened.close()
    return True


def cd_text(path: Path) -> bool:
    """The packs of a disc's lead-in."""
    data = path.read_bytes()
    text = CdText(data[: len(data) - len(data) % 18])
    text.texts()
    text.bad_packs()
    return True


def checksums(path: Path) -> bool:
    """A file of digests: no name leads out of the folder."""
    file = read_checksum_file(path)
    assert len(run(check_files(file))) == len(file.entries)
    return True


def dat(path: Path) -> bool:
    """All DATs in a file, written again."""
    for stream in read_dats(path):
        header, *games = stream
        write_dat(header, [game for game in games if hasattr(game, "roms")])  # type: ignore[arg-type]
        for game in games:
            for rom in getattr(game, "roms", ()):
                assert ".." not in Path(rom.name.replace("\\", "/")).parts, f"{rom.name!r}"
    return True


def map_file(path: Path) -> bool:
    """A map of ddrescue beside its image."""
    opened = open_image(path.with_suffix(".iso"))
    try:
        account_of_map(opened, path)
        sector_map_of(opened, path)
    finally:
        opened.close()
    return True


def redumper(path: Path) -> bool:
    """A set of redumper's files."""
    opened = ScramImage(path)
    try:
        _use(opened, path.parent)
    finally:
        opened.close()
    return True


def sbi(path: Path) -> bool:
    """Frames of Q."""
    parse_sbi(path.read_bytes())
    return True


def undo(path: Path) -> bool:
    """A journal, and whether it fits its files."""
    journal = Journal(path)
    assert len(list(journal)) == journal.changes
    journal.state()
    return True


_OTHERS: dict[str, Target] = {
    "cd-text": cd_text,
    "checksums": checksums,
    "dat": dat,
    "filesystem": filesystem,
    "map": map_file,
    "redumper": redumper,
    "sbi": sbi,
    "undo": undo,
}
