# SPDX-License-Identifier: Apache-2.0
"""Write a source as a sheet X.cue with X.bin.ecm; the layout is in ``ecm``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from imagerd.base.digests import Buffer
from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.source import Bytes2D, SectorSource
from imagerd.formats.cue.writing import write_sheet
from imagerd.formats.packed.ecm_coding import encode, end_of_records
from imagerd.formats.packed.output import PackedOutput
from imagerd.formats.written import WriteOptions, WrittenImage
from imagerd.sectors.edc import edc
from imagerd.sectors.geometry import RAW

SUFFIX = ".ecm"


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as `target`, called X.bin.ecm, with the sheet X.cue, which names X.bin.

    With `options.split_tracks`, each track has its own file, called as in a sheet.
    """
    packed = target.with_suffix("")
    if packed.suffix.lower() != ".bin":
        raise BadInput(f"Cannot write {target}: what ECM packs is a .bin; call it X.bin.ecm.")

    def sink(path: Path, stack: ExitStack, size: int) -> EcmOutput:
        return EcmOutput(path, options, stack)

    sheet = packed.with_suffix(".cue")
    raw = replace(options, raw=True)
    written = yield from write_sheet(source, sheet, raw, sink, SUFFIX)
    return replace(written, target=target, format="ecm")


class EcmOutput(PackedOutput[list[Buffer]]):
    """An ECM file; rows of 2352 bytes go in."""

    def __init__(self, target: Path, options: WriteOptions, stack: ExitStack) -> None:
        # One thread: numpy on small rows keeps the interpreter's lock most of the time.
        super().__init__(target, options, stack, workers=1, piece=1024 * RAW)
        self._edc = 0
        self._append(b"ECM\0")

    def write(self, data: Bytes2D) -> None:
        """Append (n, 2352) rows; they may not be changed afterwards."""
        self._edc = edc(data.data.cast("B"), self._edc)
        super().write(data)

    def pack(self, data: memoryview) -> list[Buffer]:
        """The records of one piece."""
        return encode(np.frombuffer(data, np.uint8).reshape(-1, RAW))

    def store(self, packed: list[Buffer]) -> None:
        """Append records."""
        for part in packed:
            self._append(part)

    def end(self) -> None:
        """The end marker with the EDC."""
        self._append(end_of_records(self._edc))
