# SPDX-License-Identifier: Apache-2.0
"""The specimens: for each reader a small valid set of files in each of its forms."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from imagerd.formats import Container
from tests.fuzz import makers_beside as beside
from tests.fuzz import makers_packed as packed
from tests.fuzz import makers_sheets as sheets
from tests.fuzz.places import scratch

Maker = Callable[[Path], Path]

MAKERS: dict[str, tuple[Maker, ...]] = {
    Container.CUE: (
        sheets.cue, sheets.cue_wave, sheets.cue_motorola, sheets.cue_flac, sheets.cue_aiff,
        sheets.cue_ogg, sheets.cue_redump, sheets.cue_gd, sheets.cue_utf16, packed.cue_packed,
    ),
    Container.TOC: (sheets.toc, sheets.toc_sub, sheets.toc_by_hand),
    Container.CCD: (sheets.ccd, sheets.ccd_bare),
    Container.NRG: (
        sheets.nrg_written, sheets.nrg_sub, sheets.nrg_version_1, sheets.nrg_tinf,
        sheets.nrg_etnf, sheets.nrg_etn2,
    ),
    Container.MDS: (sheets.mds, sheets.mds_sub, sheets.mds_dvd),
    Container.GDI: (sheets.gdi,),
    Container.CDI: (sheets.cdi_new, sheets.cdi_sub, sheets.cdi_2, sheets.cdi_3),
    Container.B6T: (sheets.b6t, sheets.b6t_sub, sheets.b5t_dvd),
    Container.MDX: (sheets.mdx, sheets.mds_2),
    Container.C2D: (sheets.c2d, sheets.c2d_after),
    Container.ISO: (packed.iso,),
    Container.CHD: (
        packed.chd, packed.chd_quick, packed.chd_dvd, packed.chd_plain, packed.chd_3,
        packed.chd_4, packed.chd_child, packed.chd_cdzl, packed.chd_cdlz, packed.chd_cdzs,
        packed.chd_zlib, packed.chd_lzma, packed.chd_huff, packed.chd_flac,
    ),
    Container.BIN: (packed.bin_, packed.bin_mode2),
    Container.CSO: (packed.cso_1, packed.cso_2),
    Container.ZSO: (packed.zso,),
    Container.DAA: (packed.daa, packed.daa_parts),
    Container.DAX: (packed.dax_0, packed.dax_1),
    Container.DMG: (packed.dmg, packed.dmg_plain),
    Container.ECM: (packed.ecm,),
    Container.ISZ: (packed.isz, packed.isz_parts),
    Container.SPLIT: (packed.split, packed.split_bin, packed.nested),
    Container.GZIP: (packed.gz,),
    Container.XZ: (packed.xz, packed.xz_blocks),
    Container.ZSTD: (packed.zst,),
    Container.BZIP2: (packed.bz2_,),
    # What is no container, and read all the same.
    "cd-text": (beside.cdtext,),
    "checksums": (beside.sums, beside.sums_sfv),
    "dat": (beside.dat, beside.dat_mame, beside.dat_entities, beside.dat_zip),
    "filesystem": (beside.files, beside.files_raw),
    "map": (beside.ddrescue,),
    "redumper": (beside.redumper,),
    "sbi": (beside.sbi,),
    "undo": (beside.journal,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file; `hole` zeros lie before them, and are not changed."""

    data: bytes
    hole: int = 0

    def write(self, path: Path) -> None:
        """Make `path` so, whatever it was."""
        with path.open("wb") as file:
            file.truncate(self.hole)
            file.seek(self.hole)
            file.write(self.data)


@dataclass(frozen=True, slots=True)
class Specimen:
    """`files` by their names; `main` is the one to open."""

    group: str
    name: str
    main: str
    files: dict[str, Content]


def groups() -> tuple[str, ...]:
    """The readers that there are specimens of, by name."""
    return tuple(sorted(MAKERS))


def names(group: str) -> tuple[str, ...]:
    """The specimens of a reader."""
    return tuple(maker.__name__.rstrip("_") for maker in MAKERS[group])


@cache
def specimen(group: str, name: str) -> Specimen:
    """One specimen, made when it is first asked for."""
    maker = MAKERS[group][names(group).index(name)]
    with tempfile.TemporaryDirectory(dir=scratch()) as at:
        folder = Path(at)
        main = maker(folder)
        files = {path.name: _content(path) for path in sorted(folder.iterdir())}
    return Specimen(group, name, main.name, files)


def _content(path: Path) -> Content:
    with path.open("rb") as file:
        try:
            hole = os.lseek(file.fileno(), 0, os.SEEK_DATA)
        except OSError:  # a file system that knows no holes, or a file that is nothing else
            hole = 0
        file.seek(hole)
        return Content(file.read(), hole)
