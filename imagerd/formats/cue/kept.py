# SPDX-License-Identifier: Apache-2.0
"""A sheet with what its files hold, so that both can be made again: see ``keptsheet``."""

from __future__ import annotations

from collections.abc import Sequence

from imagerd.formats.cue.program import FileEntry
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, merged
from imagerd.formats.keptsheet import KeptSheet, Run, Runs

RESTORED = ("BINARY", "MOTOROLA", "")  # types of files that are written again as they were


def kept_sheet(
    sheet: bytes,
    cdt: bytes,
    entries: Sequence[FileEntry],
    files: Sequence[DataFile],
    extents: list[Extent],
) -> KeptSheet:
    """The sheet over `files`, one for each of its FILE commands, which lie at `extents`."""
    runs = [runs_of(file, extents) for file in files]
    whole = all(entry.kind in RESTORED for entry in entries)
    if not whole or not all(runs):
        return KeptSheet(sheet, cdt=cdt)
    return KeptSheet(sheet, tuple(run for run in runs if run), cdt)


def runs_of(file: DataFile, extents: list[Extent]) -> Runs | None:
    """The sectors that `file` is made of; None if there is more or less in it than these."""
    at, runs = 0, list[Run]()
    for extent in merged([extent for extent in extents if extent.file is file]):
        if extent.offset != at or extent.skip:
            return None
        runs.append(Run(extent.lba, extent.count, extent.stored.name))
        at += extent.count * extent.row_size
    return tuple(runs) if at == file.size and not file.pad else None
