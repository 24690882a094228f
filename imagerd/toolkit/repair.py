# SPDX-License-Identifier: Apache-2.0
"""`repair`: sectors of an image mended in its files by their own parity, and how to undo that.

Only what the EDC then proves is written. What changes is in an undo journal on the disk before the
first byte does (see `undo`): a repair that was killed is finished by the next, or undone.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput, InternalError
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Track
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.formats import Image
from imagerd.formats.image import Placed
from imagerd.sectors import parity
from imagerd.sectors.blocks import blocks_of
from imagerd.sectors.convert import stored_offset
from imagerd.sectors.verify import EdcState, SectorKind, check_data
from imagerd.toolkit.checked import mend, raw_of
from imagerd.toolkit.intended import Intended
from imagerd.toolkit.undo import (
    Change,
    Draft,
    Journal,
    State,
    header_of,
    journals_of,
    next_journal,
    open_locked,
)
from imagerd.toolkit.verdicts import is_provable

_BATCH = 1024
_RAW = 2352


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was changed. `mended`: sectors whose EDC was wrong and is right now. `parity`: sectors
    of which only P or Q was wrong, made anew.

    `wrong`: sectors that stay with a wrong EDC; `intended` of them were not tried, as a copy
    protection made them. `parity_wrong`: sectors that stay with a wrong P or Q and a right EDC.
    `journal` undoes it all; None if nothing changed. `resumed`: the journal of an earlier repair
    that was interrupted, and is finished now.
    """

    ok: bool
    mended: Extent
    parity: Extent
    wrong: Extent
    intended: Extent
    parity_wrong: Extent
    unreadable: Extent
    journal: Path | None
    resumed: Path | None


@dataclass(frozen=True, slots=True)
class UndoResult:
    """`sectors`: whose bytes are those from before the repair again. `journal`: its new name."""

    sectors: Extent
    files: tuple[str, ...]
    journal: Path


@dataclass(slots=True)
class _Found:
    mended: list[range]
    parity: list[range]
    wrong: list[range]
    parity_wrong: list[range]
    unreadable: list[range]


def repair(
    image: Image,
    source: SectorSource | None = None,
    *,
    renew_parity: bool = False,
    dry: bool = False,
) -> Task[RepairResult]:
    """Mend what parity can mend, in the files of `image`.

    `source`: the image heeding its account; sectors that were not read when it was made are left
    alone. `renew_parity`: also make P and Q anew where only they are wrong. `dry`: change nothing.
    Raises `BadInput` for images whose sectors do not lie plainly in files.
    """
    if not isinstance(image, Placed):
        raise _packed(image)
    resumed = None if dry else _resume(image.path)
    source = source or image
    tracks = [track for track in source.layout.tracks if is_provable(track)]
    found = _Found([], [], [], [], [])
    spared = Intended(source)
    with ExitStack() as stack:
        changing = None
        if not dry:
            changing = _Changing(image, image, stack)
        total = sum(len(track.stored_range) for track in tracks)
        done = 0
        yield Progress(0, total)
        for track in tracks:
            for block in blocks_of(source, track.stored_range, _BATCH):
                rows = _mended_rows(block, track, found, spared, renew_parity=renew_parity)
                if changing is not None:
                    changing.add(block, rows)
                done += len(block)
                yield Progress(done, total, what=f"track {track.number}")
        journal = None if changing is None else changing.commit()
    wrong = Extent.of(found.wrong)
    intended = spared.of(wrong)
    unreadable = Extent.of(found.unreadable)
    return RepairResult(
        ok=not unreadable and wrong == intended,
        mended=Extent.of(found.mended),
        parity=Extent.of(found.parity),
        wrong=wrong,
        intended=intended,
        parity_wrong=Extent.of(found.parity_wrong),
        unreadable=unreadable,
        journal=journal,
        resumed=resumed,
    )


def _packed(image: Image) -> BadInput:
    return BadInput(
        f"{image.path} keeps its sectors packed, so they cannot be mended in place; convert it"
        " with --repair."
    )


def undo(path: Path) -> UndoResult:
    """Bring back the bytes from before the repair whose journal is `path`.

    Raises `BadInput` if it is no journal, if the files were changed since, or if a later repair
    of the image must be undone first.
    """
    journal = Journal(path)
    known = journals_of(path.with_name(journal.header.image))
    if path in known and path != known[-1]:
        raise BadInput(f"{known[-1]} is of a later repair; undo that first.")
    journal.undo()
    sectors = Extent.of(range(change.lba, change.lba + 1) for change in journal)
    names = tuple(file.name for file in journal.header.files)
    return UndoResult(sectors, names, journal.retire())


def _resume(path: Path) -> Path | None:
    """Finish the newest repair of the image, if it was interrupted."""
    journals = journals_of(path)
    if not journals:
        return None
    journal = Journal(journals[-1])
    try:
        if journal.state() is State.DONE:
            return None
    except BadInput:  # somebody changed the image since: then it is as it is meant to be
        return None
    journal.redo()
    return journal.path


_Rows = dict[int, tuple[npt.NDArray[np.uint8], str]]  # row: as it is to be stored, why


def _mended_rows(
    block: Sectors, track: Track, found: _Found, spared: Container[int], *, renew_parity: bool
) -> _Rows:
    """The rows of `block` that can be mended; notes what becomes of the others."""
    raw = raw_of(block, track)
    check = check_data(raw)
    read = block.states > SectorState.FAILED
    found.unreadable += from_mask(block.lba, ~read)
    wrong = (check.edc == EdcState.WRONG) | (check.kind >= SectorKind.INVALID_MODE)
    wrong &= read
    if not wrong.any() and not check.parity_wrong.any():
        return {}
    tried = [row for row in np.flatnonzero(wrong).tolist() if block.lba + row not in spared]
    rows: _Rows = {row: (stored, "edc") for row, stored in mend(block, raw, track, tried).items()}
    only_parity = check.parity_wrong & read & ~wrong
    for row, stored in _renewed(block, raw, track, only_parity if renew_parity else None):
        if block.lba + row not in spared:
            rows[row] = (stored, "parity")
    done = np.zeros(len(block), np.bool_)
    done[list(rows)] = True
    found.mended += from_mask(block.lba, done & wrong)
    found.parity += from_mask(block.lba, done & only_parity)
    found.wrong += from_mask(block.lba, wrong & ~done)
    found.parity_wrong += from_mask(block.lba, only_parity & ~done)
    return rows


def _renewed(
    block: Sectors, raw: Bytes2D, track: Track, rows: npt.NDArray[np.bool_] | None
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """`rows`, whose EDC is right, with P and Q made anew, as they are to be stored."""
    if rows is None or not rows.any():
        return
    first = stored_offset(block.format, track.mode)
    held = min(block.format.size, _RAW - first)
    for row in np.flatnonzero(rows).tolist():
        sector = raw[row : row + 1].copy()
        parity.generate(sector, mode2=int(sector[0, 15]) & 0x1F == 2)
        stored = block.data[row].copy()
        stored[:held] = sector[0, first : first + held]
        yield row, stored


class _Changing:
    """Gathers changes in a journal; `commit` has them in the journal, then in the files."""

    def __init__(self, image: Image, placed: Placed, stack: ExitStack) -> None:
        self._image, self._placed, self._stack = image, placed, stack
        self._files = list(_files_of_data(image, placed))
        self._draft: Draft | None = None

    def add(self, block: Sectors, rows: _Rows) -> None:
        """The rows of `block` as they are to be."""
        for row, (stored, why) in sorted(rows.items()):
            place = self._placed.where(block.lba + row)
            if place is None or place.stored is not block.format:
                raise _packed(self._image)
            differs = np.flatnonzero(stored != block.data[row])
            span = slice(int(differs[0]), int(differs[-1]) + 1)
            self._begun().add(
                Change(
                    self._files.index(place.file),
                    block.lba + row,
                    place.offset + span.start,
                    block.data[row][span].tobytes(),
                    stored[span].tobytes(),
                    why,
                )
            )

    def commit(self) -> Path | None:
        """Have it all done, if there is anything to do; the journal's path."""
        if self._draft is None:
            return None
        journal = self._draft.commit()
        journal.redo()
        if journal.state() is not State.DONE:
            raise InternalError(f"{self._image.path} does not hold what was written to it.")
        return journal.path

    def _begun(self) -> Draft:
        """The journal, begun with the first change."""
        if self._draft is None:
            with ExitStack() as trial:  # before any more work: may the files be changed at all?
                for path in self._files:
                    open_locked(path, os.O_RDWR, trial)
            made = datetime.now(UTC).isoformat(timespec="seconds")
            header = header_of(self._image.path, self._files, made)
            self._draft = Draft(next_journal(self._image.path), header, self._stack)
        return self._draft


def _files_of_data(image: Image, placed: Placed) -> dict[Path, None]:
    """The files that hold data sectors; a track changes files at an index, if at all."""
    files: dict[Path, None] = {}
    for track in image.layout.tracks:
        area = track.stored_range
        if is_provable(track) and area:
            starts = [index.lba for index in track.indexes if index.lba in area]
            for lba in (area.start, *starts):
                place = placed.where(lba)
                if place is not None:
                    files[place.file] = None
    return files
