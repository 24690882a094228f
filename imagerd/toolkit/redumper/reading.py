# SPDX-License-Identifier: Apache-2.0
"""A dump of redumper as an image: .scram with .state, .toc and, if they are there, .subcode,
.fulltoc and .cdtext beside it.

Sectors are taken at the disc's write offset, as `split` takes them, if a data track tells it. A
sector is as good as the worst of its samples.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput, ImagerdError
from imagerd.devices.mmc_toc import ReadCdText, ReadFullToc, ReadToc
from imagerd.devices.toc import DiscToc, build_layout, decode
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.msf import LBA_MAX, LBA_MIN, Msf
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState, States
from imagerd.formats.binary import read_small
from imagerd.formats.datafile import DataFile
from imagerd.formats.image import Warning_
from imagerd.recovery.subq import refine_layout
from imagerd.sectors.geometry import HEADER, MODE, RAW, SUB
from imagerd.sectors.offset import SAMPLE, SAMPLES
from imagerd.sectors.scramble import scramble, stream
from imagerd.sectors.verify import header_ok, sync_ok
from imagerd.toolkit.redumper.states import State
from imagerd.toolkit.redumper.writing import MOST_SHIFT

_SYNC: Final = b"\0" + b"\xff" * 10 + b"\0"
_LOOKED_AT: Final = 256  # sectors of a data track, for its mode and the write offset
_IN_A_ROW: Final = 4  # sectors that must tell the same offset
_MODES: Final = {0: TrackMode.MODE0, 1: TrackMode.MODE1, 2: TrackMode.MODE2}
_BATCH: Final = 512
_LARGEST_REPLY: Final = 1 << 16  # bytes; its own length has two

T = TypeVar("T")


class ScramImage:
    """An `Image` of `path`, the .scram, and its files. `offset`: the disc's write offset, samples.

    Raises `BadInput` if .state or .toc are missing or make no sense.
    """

    format = "scram"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: tuple[Warning_, ...] = ()
        self.offset = 0
        self._open: list[DataFile] = []
        try:
            self._scram, self._state = self._needed(".scram"), self._needed(".state")
            subcode = path.with_suffix(".subcode")
            self._subcode = self._needed(".subcode") if subcode.exists() else None
            toc = self._toc()
            self._layout = self._layout_of(toc, {})
            self.offset = self._write_offset()
            self._layout = self._layout_of(toc, self._modes())
            self._layout = self._refined()
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> tuple[Path, ...]:
        """The .scram and what was opened beside it."""
        return tuple(file.path for file in self._open)

    @property
    def layout(self) -> Layout:
        """As the TOC has it, with what Q adds."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`; see `SectorSource`."""
        area = next((area for area in self._layout.ranges() if lba in area), None)
        if area is None or count < 1:
            raise ValueError(f"LBA {lba}+{count} is in no session")
        track = self._layout.track_at(lba)
        stop = area.stop if track is None else track.end
        count = min(count, stop - lba, _BATCH)
        data, states = self._rows(lba, count)
        if track is not None and track.is_data:
            data, known = _descrambled(data, lba)
            states[~known] = np.minimum(states[~known], SectorState.SUSPECT)
        lost = states <= SectorState.FAILED
        data[lost] = 0
        faults = tuple(
            Fault(part.start, len(part), FaultKind.FILLING) for part in from_mask(lba, lost)
        )
        sub = None if self._subcode is None else self._sub(lba, count)
        return Sectors(lba, SectorFormat.RAW, data, states, sub, None, faults)

    def close(self) -> None:
        """Close the files; idempotent."""
        for file in self._open:
            file.close()

    # -- files -------------------------------------------------------------------------------

    def _needed(self, suffix: str) -> DataFile:
        file = DataFile(self.path.with_suffix(suffix))
        self._open.append(file)
        return file

    def _reply(self, suffix: str, parse: Callable[[bytes], T]) -> T:
        """A reply of READ TOC that a file holds."""
        path = self.path.with_suffix(suffix)
        try:
            return parse(read_small(path, "reply of READ TOC", _LARGEST_REPLY))
        except ImagerdError as error:
            raise BadInput(f"{path} is no reply of READ TOC: {error}") from error

    def _toc(self) -> DiscToc:
        simple = self._reply(".toc", ReadToc().parse)
        full = None
        if self.path.with_suffix(".fulltoc").exists():
            full = self._reply(".fulltoc", ReadFullToc().parse)
        try:
            toc = decode(full, simple, None)
        except ImagerdError as error:
            raise BadInput(f"{self.path.with_suffix('.toc')} holds no tracks.") from error
        if min(toc.lead_outs.values()) <= 0 or max(toc.lead_outs.values()) > LBA_MAX + 1:
            raise BadInput(f"{self.path.with_suffix('.toc')} has a lead-out that no CD can have.")
        self._warn(*toc.warnings)
        return toc

    def _layout_of(self, toc: DiscToc, modes: dict[int, TrackMode]) -> Layout:
        packs = b""
        if self.path.with_suffix(".cdtext").exists():
            packs = self._reply(".cdtext", ReadCdText().parse)
        try:
            return build_layout(toc, modes, cd_text=CdText(packs) if packs else None)
        except ValueError as error:
            raise BadInput(f"{self.path.with_suffix('.toc')} makes no sense: {error}.") from error

    def _refined(self) -> Layout:
        if self._subcode is None:
            self._warn("there is no .subcode, so pauses and indexes are not known")
            return self._layout
        refined = refine_layout(self._layout, self._sub)
        self._warn(*refined.findings)
        return refined.layout

    def _warn(self, *sentences: str) -> None:
        found = (Warning_(self.path, None, sentence) for sentence in sentences)
        self.warnings = (*self.warnings, *found)

    # -- sectors -----------------------------------------------------------------------------

    def _rows(self, lba: int, count: int) -> tuple[Bytes2D, States]:
        """Sectors as they are in the file, and what is known of them."""
        first = (lba - LBA_MIN) * SAMPLES + self.offset
        data, there = self._scram.rows(first * SAMPLE, count, RAW)
        worst = self._state.rows(first, count, SAMPLES)[0].min(axis=1)
        states: States = _STATES[np.minimum(worst, State.SUCCESS)]
        states[there:] = SectorState.FAILED
        return data, states

    def _sub(self, lba: int, count: int) -> Bytes2D:
        assert self._subcode is not None
        return self._subcode.rows((lba - LBA_MIN) * SUB, count, SUB)[0]

    def _write_offset(self) -> int:
        """The offset that a few sectors in a row of a data track tell; 0 where none does."""
        data = [track for track in self._layout.tracks if track.is_data]
        for track in data:
            found = self._offset_in(track)
            if found is not None:
                return found
        if data:
            self._warn("no data sector tells the disc's write offset; 0 is taken")
        return 0

    def _offset_in(self, track: Track) -> int | None:
        first = track.index1 * SAMPLES - MOST_SHIFT - LBA_MIN * SAMPLES
        length = (_LOOKED_AT * SAMPLES + 2 * MOST_SHIFT) * SAMPLE
        window = self._scram.peek(first * SAMPLE, length)
        at, row, told = window.find(_SYNC), 0, (0, 0)
        while at >= 0 and at + MODE < len(window):
            lba = _address(window[at + HEADER : at + MODE])
            if at % SAMPLE == 0 and lba is not None:
                offset = first + at // SAMPLE + (LBA_MIN - lba) * SAMPLES
                row = row + 1 if told == (at, offset) else 1
                if row == _IN_A_ROW and abs(offset) <= MOST_SHIFT:
                    return offset
                told = (at + RAW, offset)
            at = window.find(_SYNC, at + 1)
        return None

    def _modes(self) -> dict[int, TrackMode]:
        """The mode of each data track by its first good sector; mode 1 where none is."""
        found: dict[int, TrackMode] = {}
        for track in self._layout.tracks:
            if not track.is_data:
                continue
            count = min(_LOOKED_AT, track.end - track.index1)
            raw, states = self._rows(track.index1, count)
            rows, known = _descrambled(raw, track.index1)
            for mode in rows[known & (states > SectorState.SUSPECT), MODE].tolist():
                if mode in _MODES:
                    found[track.number] = _MODES[mode]
                    break
        return found


# SUCCESS is what a drive said, not a proof: it is READ, as everything that was read.
_STATES: Final[npt.NDArray[np.uint8]] = np.array(
    [
        SectorState.FAILED,
        SectorState.SUSPECT,
        SectorState.READ,
        SectorState.READ,
        SectorState.READ,
    ],
    np.uint8,
)


def _descrambled(raw: Bytes2D, lba: int) -> tuple[Bytes2D, npt.NDArray[np.bool_]]:
    """Rows of a data track as they are read, and which of them are known to be data at all."""
    plain = scramble(raw)
    known: npt.NDArray[np.bool_] = header_ok(plain, lba) | sync_ok(plain)
    return np.where(known[:, np.newaxis], plain, raw), known


def _address(scrambled: bytes) -> int | None:
    """The LBA in three bytes of a scrambled header, if they are an address."""
    table = stream()[HEADER:MODE]
    try:
        return Msf.from_bcd(bytes(a ^ int(b) for a, b in zip(scrambled, table, strict=True))).lba
    except ValueError:
        return None
