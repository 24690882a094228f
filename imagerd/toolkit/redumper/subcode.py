# SPDX-License-Identifier: Apache-2.0
"""Subchannel for .subcode: what was read, from wherever it is kept; made only where asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.disc.layout import Layout
from imagerd.disc.msf import LBA_MIN
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.sectors.geometry import SUB
from imagerd.sectors.subchannel import interleave
from imagerd.sectors.subgen import Subchannel


class Subcode:
    """The .subcode file: 96 raw bytes a sector from LBA -45150; what is not known stays a hole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.known = 0

    def write(self, lba: int, sub: Bytes2D) -> None:
        """The subchannel of the sectors from `lba`; a row of zeros is one that is not known."""
        known = int(sub.any(axis=1).sum())
        if known:
            self._stream.seek((lba - LBA_MIN) * SUB)
            self._stream.write(np.ascontiguousarray(sub).data.cast("B"))
        self.known += known

    def finish(self, end: int) -> None:
        """Let the file reach up to LBA `end`."""
        self._stream.truncate((end - LBA_MIN) * SUB)


class MadeSub:
    """A source with P and Q made out of its layout, where it brings no subchannel of its own.

    `made`: whether any was.
    """

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        self.made = False
        self._sub = Subchannel(source.layout)

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        block = self._source.read(lba, count)
        if block.sub is not None:
            return block
        self.made = True
        return replace(block, sub=self._sub.read(lba, len(block)))

    def close(self) -> None:
        """Close the source."""
        self._source.close()


_PLACES: Final = (".sub", ".SUB")


class KeptSub:
    """An image with the subchannel of the .sub file beside it: de-interleaved, one session after
    the other without the gap, as the archive (and CloneCD) keeps it.

    Raises `BadInput` if its length is not that of the image, `NotAvailable` if it cannot be read.
    """

    def __init__(self, source: SectorSource, path: Path) -> None:
        self._source, self._path = source, path
        self._areas = tuple(source.layout.ranges())
        try:
            self._stream: BinaryIO = path.open("rb")
            size = path.stat().st_size
        except OSError as error:
            raise NotAvailable(f"Cannot read {path}: {error.strerror}.") from error
        if size != source.layout.sectors * SUB:
            self._stream.close()
            raise BadInput(
                f"{path} has {size} bytes, not {SUB} for each of {source.layout.sectors} sectors;"
                " move it away if it is not the subchannel of this image."
            )

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        block = self._source.read(lba, count)
        return replace(block, sub=interleave(self._rows(lba, len(block))))

    def _rows(self, lba: int, count: int) -> Bytes2D:
        before = sum(len(area) for area in self._areas if area.stop <= lba)
        area = next(area for area in self._areas if lba in area)
        try:
            self._stream.seek((before + lba - area.start) * SUB)
            data = self._stream.read(count * SUB)
        except OSError as error:
            raise NotAvailable(f"Cannot read {self._path}: {error.strerror}.") from error
        return np.frombuffer(data.ljust(count * SUB, b"\0"), np.uint8).reshape(count, SUB)

    def close(self) -> None:
        """Close the file and the source."""
        self._stream.close()
        self._source.close()


def with_kept_sub(source: SectorSource, image: Path) -> tuple[SectorSource, tuple[str, ...]]:
    """`source` with the subchannel that is kept beside `image`; and what was odd about that."""
    found = (image.with_suffix(suffix) for suffix in _PLACES)
    kept = next((file for file in found if file.is_file()), None)
    if kept is None or not source.layout.is_cd:
        return source, ()
    try:
        return KeptSub(source, kept), ()
    except BadInput as error:  # another program's, in a form of its own
        return source, (str(error),)
