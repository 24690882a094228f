# SPDX-License-Identifier: Apache-2.0
"""Open what is packed as the image in it, be it packed once or several times over."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.formats import bare, iso, signs
from imagerd.formats.datafile import ByteStore, DataFile, Packing
from imagerd.formats.extents import ExtentImage
from imagerd.formats.packed.blocks import BlockStore

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
_IN_ORDER = ("gzip", "xz", "zstd", "bzip2")
_MODULES = {"zso": "cso", **dict.fromkeys(_IN_ORDER, "streams")}
_OF_BLOCKS = {"cso", "zso", "daa", "dax", "isz"}  # nothing but blocks is put in these
_INNER = (".iso", ".bin", ".img", ".udf")


def is_packed(path: Path) -> bool:
    """Whether `path` is called like something packed."""
    return path.suffix.lower() in PACKED_SUFFIXES


class _Module(Protocol):
    def open_store(self, file: DataFile) -> ByteStore: ...


class _Streams(Protocol):
    def open_store(self, file: DataFile, *, glance: bool) -> BlockStore: ...


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`, one file or several of any packed container, as the image in it."""
    return _open(path, glance=False)


def glance_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """As `open_image`; what a stream says of its length is taken at its word."""
    return _open(path, glance=True)


def _open(path: Path, *, glance: bool) -> ExtentImage:
    file, formats = unpacked(path, glance=glance)
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


def unpacked(path: Path, *, glance: bool = False) -> tuple[DataFile, tuple[str, ...]]:
    """The bytes of `path`, unpacked as often as they are packed, and the containers' names.

    `glance`: a stream that says how long it is, is not unpacked to see. Raises `BadInput` for what
    cannot be opened. A file that is not packed comes as it is.
    """
    file = DataFile(path)
    formats: list[str] = []
    packed, claimed = file.size, False
    try:
        while (format := _packed_as(file)) is not None:
            if len(formats) == _DEPTH:
                raise BadInput(f"{path} is packed more than {_DEPTH} times over; unpack it first.")
            module = import_module(f"{__package__}.{_MODULES.get(format, format)}")
            if format in _IN_ORDER:
                stream = cast("_Streams", module).open_store(file, glance=glance)
                claimed = claimed or stream.claimed
                file = DataFile(path, stream)
            else:
                file = DataFile(path, cast("_Module", module).open_store(file))
            formats.append(format)
    except BadInput:
        file.close()
        raise
    if file.size == 0:
        file.close()
        raise BadInput(f"{path} is empty once unpacked; there is no image in it.")
    if formats:
        file.packing = Packing(path, tuple(formats), packed, file.size, claimed)
    return file, tuple(formats)


def _packed_as(file: DataFile) -> str | None:
    """What `file` is packed as; at a glance, what its end would tell is looked for by name only."""
    glanced = isinstance(file.store, BlockStore) and file.store.claimed
    skipped = "dmg" if glanced and ".dmg" not in file.path.name.lower() else None
    return next((name for name, sign in _STORES.items() if name != skipped and sign(file)), None)


def _inner_suffix(path: Path) -> str:
    """The suffix before that of the packing: ".iso" of X.iso.gz."""
    return next((s.lower() for s in reversed(path.suffixes) if s.lower() in _INNER), "")
