# SPDX-License-Identifier: Apache-2.0
"""The containers that imagerd knows, and which module knows each; modules load when needed.

A container is one member of `Container`, one row in `ROWS` and one module with the functions
`open_image(path, *, allow_outside)` and, where it can be written, `write_image(source, target,
options)`. What a writer's files hold is in its row, as features: see `imagerd.formats.features`.
See docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout
from imagerd.formats import signs
from imagerd.formats.datafile import DataFile
from imagerd.formats.features import WHOLE_CD, Feature, is_gd
from imagerd.formats.image import Image


class Container(StrEnum):
    """All containers; a closed list."""

    CUE = "cue"
    TOC = "toc"
    CCD = "ccd"
    NRG = "nrg"
    MDS = "mds"
    GDI = "gdi"
    CDI = "cdi"
    B6T = "b6t"
    C2D = "c2d"
    ISO = "iso"
    CHD = "chd"
    BIN = "bin"
    CSO = "cso"
    ZSO = "zso"
    DAA = "daa"
    DAX = "dax"
    DMG = "dmg"
    ECM = "ecm"
    ISZ = "isz"
    SPLIT = "split"
    GZIP = "gzip"
    XZ = "xz"
    ZSTD = "zstd"
    BZIP2 = "bzip2"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a container without loading it.

    `reader` and `writer` are modules. `sign` tells by content; `suffixes` are asked only where no
    content speaks, the first of them names the container when writing. `holds`: the features that
    what `writer` writes keeps; None where that is not told, so that no loss can be named before.
    `not_of_gd`: those of them that it does not keep of a GD-ROM. `empty_pregaps`: without having
    words for pregaps, it keeps those that are silent or empty.
    """

    reader: str
    suffixes: tuple[str, ...]
    sign: Callable[[DataFile], bool]
    writer: str | None = None
    holds: frozenset[Feature] | None = None
    not_of_gd: frozenset[Feature] = frozenset()
    empty_pregaps: bool = False

    def holds_of(self, layout: Layout) -> frozenset[Feature] | None:
        """What it holds of a disc with this layout."""
        if self.holds is None or not is_gd(layout):
            return self.holds
        return self.holds - self.not_of_gd


_CD_WITH_SUB = WHOLE_CD | {Feature.SUBCHANNEL}
_IN_SUBCHANNEL = {Feature.INDEXES, Feature.ISRC, Feature.MCN}
_PACKED = "imagerd.formats.packed.opening"

ROWS = {
    Container.CUE: Row(
        "imagerd.formats.cue.opening",
        (".cue",),
        signs.is_sheet,
        "imagerd.formats.cue.writing",
        WHOLE_CD,
    ),
    Container.CHD: Row(
        "imagerd.formats.chd.opening",
        (".chd",),
        signs.is_chd,
        "imagerd.formats.chd.writing",
        WHOLE_CD | {Feature.SUBCHANNEL, Feature.BLOCKS, Feature.LAYERS, Feature.DPM},
        not_of_gd=frozenset({Feature.SUBCHANNEL}),  # players refuse one that has it
    ),
    Container.TOC: Row(
        "imagerd.formats.cdrdao.opening",
        (".toc",),
        signs.is_cdrdao_toc,
        "imagerd.formats.cdrdao.writing",
        _CD_WITH_SUB - {Feature.SESSIONS, Feature.GD_AREAS},
    ),
    Container.CCD: Row(
        "imagerd.formats.ccd.opening",
        (".ccd",),
        signs.is_ccd,
        "imagerd.formats.ccd.writing",
        _CD_WITH_SUB,
    ),
    Container.NRG: Row(
        "imagerd.formats.nrg.opening",
        (".nrg",),
        signs.is_nrg,
        "imagerd.formats.nrg.writing",
        _CD_WITH_SUB,
    ),
    Container.MDS: Row(
        "imagerd.formats.mds.opening",
        (".mds",),
        signs.is_mds,
        "imagerd.formats.mds.writing",
        _CD_WITH_SUB - _IN_SUBCHANNEL - {Feature.CD_TEXT} | {Feature.BLOCKS, Feature.DPM},
    ),
    Container.GDI: Row(
        "imagerd.formats.gdi.opening",
        (".gdi",),
        signs.is_gdi,
        "imagerd.formats.gdi.writing",
        frozenset({Feature.AUDIO, Feature.TRACKS, Feature.GD_AREAS, Feature.SUBHEADERS}),
        empty_pregaps=True,
    ),
    Container.CDI: Row("imagerd.formats.cdi.opening", (".cdi",), signs.is_cdi),
    Container.B6T: Row("imagerd.formats.b6t.opening", (".b6t", ".b5t"), signs.is_b6t),
    Container.C2D: Row("imagerd.formats.c2d", (".c2d",), signs.is_c2d),
    Container.SPLIT: Row(_PACKED, (), signs.is_split),
    Container.DMG: Row(_PACKED, (".dmg",), signs.is_dmg),  # its front may be that of the disc
    Container.BIN: Row("imagerd.formats.bare", (".bin", ".img"), signs.is_raw),
    Container.ISO: Row(
        "imagerd.formats.iso",
        (".iso", ".udf"),
        signs.is_iso,
        "imagerd.formats.iso_writing",
        frozenset({Feature.BLOCKS}),
    ),
    Container.CSO: Row(
        _PACKED,
        (".cso", ".ciso"),
        signs.is_cso,
        "imagerd.formats.packed.cso_writing",
        frozenset({Feature.BLOCKS}),
    ),
    Container.GZIP: Row(_PACKED, (".gz",), signs.is_gzip),
    Container.XZ: Row(_PACKED, (".xz",), signs.is_xz),
    Container.ZSTD: Row(_PACKED, (".zst",), signs.is_zstd),
    Container.BZIP2: Row(_PACKED, (".bz2",), signs.is_bzip2),
    Container.DAA: Row(_PACKED, (".daa",), signs.is_daa),
    Container.DAX: Row(_PACKED, (".dax",), signs.is_dax),
    Container.ISZ: Row(_PACKED, (".isz",), signs.is_isz),
    Container.ECM: Row(
        _PACKED, (".ecm",), signs.is_ecm, "imagerd.formats.packed.ecm_writing", WHOLE_CD
    ),
    Container.ZSO: Row(
        _PACKED,
        (".zso",),
        signs.is_zso,
        "imagerd.formats.packed.cso_writing",
        frozenset({Feature.BLOCKS}),
    ),
}


# What holds the 2048-byte sectors of one track, and nothing else of a CD.
COOKED = frozenset({Container.ISO, Container.CSO, Container.ZSO})


class _Reader(Protocol):
    def open_image(self, path: Path, *, allow_outside: bool = False) -> Image: ...


class _Glancing(Protocol):
    """A reader of what may be packed in streams."""

    def glance_image(self, path: Path, *, allow_outside: bool = False) -> Image: ...


def identify(path: Path) -> Container:
    """The container of the file `path`. Raises `BadInput` if it is none that we know."""
    file = DataFile(path)
    try:
        if file.size == 0:
            raise BadInput(f"{path} is empty; there is no image in it.")
        for container, row in ROWS.items():
            if row.sign(file):
                return container
    finally:
        file.close()
    for container, row in ROWS.items():
        if path.suffix.lower() in row.suffixes:
            return container
    known = ", ".join(suffix for row in ROWS.values() for suffix in row.suffixes)
    raise BadInput(f"{path} is no image that imagerd knows (by content, or by suffix: {known}).")


def open_image(path: Path, *, allow_outside: bool = False, glance: bool = False) -> Image:
    """Open the image `path`, whatever its container; content decides before the suffix.

    `allow_outside` lets a sheet name files outside its own folder. `glance`: take the word of a
    gzip, xz or zstd file for its length, where it has one, instead of unpacking all of it first;
    then its sectors are SUSPECT, as nothing has vouched for them. Raises `BadInput` with one
    sentence for what cannot be opened; oddities that can be lived with are in its `warnings`.
    """
    reader = import_module(ROWS[identify(path)].reader)
    if glance and hasattr(reader, "glance_image"):
        return cast("_Glancing", reader).glance_image(path, allow_outside=allow_outside)
    return cast("_Reader", reader).open_image(path, allow_outside=allow_outside)
