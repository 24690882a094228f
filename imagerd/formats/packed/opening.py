# SPDX-License-Identifier: Apache-2.0
"""Open what is packed as the image in it, be it packed once or several times over."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.formats import bare, iso, signs
from imagerd.formats.datafile import ByteStore, DataFile
from imagerd.formats.extents import ExtentImage

_DEPTH = 3  # X.bin.ecm.gz.001 has it
PACKED_SUFFIXES = (".ecm", ".gz", ".xz", ".zst", ".bz2")  # behind a name in a sheet
_STORES = {
    "split": signs.is_split,
    "cso": signs.is_cso,
    "zso": signs.is_zso,
    "ecm": signs.is_ecm,
    "daa": signs.is_daa,
    "dax": signs.is_dax,
    "isz": signs.is_isz,
    "dmg": signs.is_dmg,
    "gzip": signs.is_gzip,
    "xz": signs.is_xz,
    "zstd": signs.is_zstd,
    "bzip2": signs.is_bzip2,
}
# The others have a module called like them.
_MODULES = {"zso": "cso", **dict.fromkeys(("gzip", "xz", "zstd", "bzip2"), "streams")}
_OF_BLOCKS = {"cso", "zso", "daa", "dax", "isz"}  # nothing but blocks is put in these
_INNER = (".iso", ".bin", ".img", ".udf")


def is_packed(path: Path) -> bool:
    """Whether `path` is called like something packed."""
    return path.suffix.lower() in PACKED_SUFFIXES


class _Module(Protocol):
    def open_store(self, file: DataFile) -> ByteStore: ...


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`, one file or several of any packed container, as the image in it."""
    file, formats = unpacked(path)
    format = formats[0] if formats else "bin"
    try:
        if format == "dmg":
            file.pad = True  # its sectors are of 512 bytes
            return iso.open_file(file, format)
        blocks = _inner_suffix(path) == ".iso" or not _OF_BLOCKS.isdisjoint(formats)
        if signs.is_iso(file) or (blocks and not signs.is_raw(file)):
            return iso.open_file(file, format)
        return bare.open_file(file, format)
    except BadInput:
        file.close()
        raise


def unpacked(path: Path) -> tuple[DataFile, tuple[str, ...]]:
    """The bytes of `path`, unpacked as often as they are packed, and the containers' names.

    Raises `BadInput` for what cannot be opened. A file that is not packed comes as it is.
    """
    file = DataFile(path)
    formats: list[str] = []
    try:
        while (format := _packed_as(file)) is not None:
            if len(formats) == _DEPTH:
                raise BadInput(f"{path} is packed more than {_DEPTH} times over; unpack it first.")
            module = cast("_Module", import_module(f"{__package__}.{_MODULES.get(format, format)}"))
            file = DataFile(path, module.open_store(file))
            formats.append(format)
    except BadInput:
        file.close()
        raise
    if file.size == 0:
        file.close()
        raise BadInput(f"{path} is empty once unpacked; there is no image in it.")
    return file, tuple(formats)


def _packed_as(file: DataFile) -> str | None:
    return next((name for name, sign in _STORES.items() if sign(file)), None)


def _inner_suffix(path: Path) -> str:
    """The suffix before that of the packing: ".iso" of X.iso.gz."""
    return next((s.lower() for s in reversed(path.suffixes) if s.lower() in _INNER), "")
