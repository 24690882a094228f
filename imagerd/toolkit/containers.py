# SPDX-License-Identifier: Apache-2.0
"""What a container tells of itself, besides the disc in it: how it is packed, what a CHD names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagerd.formats.image import Image

if TYPE_CHECKING:
    from imagerd.formats.datafile import Packing


@dataclass(frozen=True, slots=True)
class ChdInfo:
    """The header of a CHD. `hunk` and `size` in bytes, `packed`: the file's own, without a parent.

    `sha1` is of data and metadata, `raw_sha1` of the data; None where the header has none.
    """

    version: int
    codecs: tuple[str, ...]
    hunk: int
    packed: int
    size: int
    sha1: str | None
    raw_sha1: str | None
    parent: str | None
    parent_sha1: str | None


def packings_of(image: Image) -> tuple[Packing, ...]:
    """How the data files of `image` are packed, as far as they are."""
    from imagerd.formats.extents import ExtentImage

    return image.packings if isinstance(image, ExtentImage) else ()


def chd_of(image: Image) -> ChdInfo | None:
    """What the header of a CHD says; None for other containers."""
    if image.format != "chd":
        return None
    from imagerd.formats.chd.image import ChdImage

    if not isinstance(image, ChdImage):
        return None
    header, parent = image.hunks.header, image.hunks.parent
    return ChdInfo(
        version=header.version,
        codecs=tuple(code.decode("ascii", "replace") for code in header.codecs),
        hunk=header.hunk,
        packed=image.hunks.file.size,
        size=header.logical,
        sha1=header.sha1.hex() if any(header.sha1) else None,
        raw_sha1=header.raw_sha1.hex() if any(header.raw_sha1) else None,
        parent=None if parent is None else str(parent.file.path),
        parent_sha1=None if header.parent_sha1 is None else header.parent_sha1.hex(),
    )
