# SPDX-License-Identifier: Apache-2.0
"""`tracks`: each track of a disc or an image as a file of its own.

Where the pregap goes (the sectors of INDEX 00) is what rippers differ in. Appended, each file ends
with the pregap of the next track, so that a player that skips to a track begins at its INDEX 01;
what lies before INDEX 01 of the first track then is a file of its own, track 00. Prepended, each
track is as it is stored, as Redump has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawform import filler
from imagerd.formats.written import MARKER, WriteOptions, WrittenFile
from imagerd.sectors.blocks import blocks_of
from imagerd.toolkit.tags import info_list, tags_of

_BATCH = 512
_RAW = SectorFormat.RAW.size
_USER = SectorFormat.USER.size


class Form(StrEnum):
    """The form of the files."""

    WAV = "wav"
    FLAC = "flac"
    BIN = "bin"  # sectors as they are stored


class Gaps(StrEnum):
    """Where the sectors of a pregap go."""

    APPEND = "append"  # to the track before
    PREPEND = "prepend"  # to their own track
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class TracksOptions:
    """How to write. `tracks`: their numbers, all if empty; 0 is what lies before the first."""

    form: Form = Form.WAV
    gaps: Gaps = Gaps.APPEND
    tracks: tuple[int, ...] = ()
    overwrite: bool = False
    hash: bool = False


@dataclass(frozen=True, slots=True)
class TrackFile:
    """A file and what is in it. `pieces`: LBAs, in order."""

    number: int
    file: WrittenFile
    pieces: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class TracksResult:
    """`unreadable`: sectors that are silence, or filling in data. `left_out`: in sentences."""

    ok: bool
    files: tuple[TrackFile, ...]
    left_out: tuple[str, ...]
    unreadable: Extent


@dataclass(slots=True)
class _Part:
    """What one file will hold."""

    number: int
    track: Track
    pieces: list[range] = field(default_factory=list)

    @property
    def sectors(self) -> int:
        return sum(map(len, self.pieces))


def extract(
    source: SectorSource, folder: Path, stem: str, options: TracksOptions | None = None
) -> Task[TracksResult]:
    """Write the tracks of `source` to `folder`, called after `stem`.

    The files appear under their names together, when all are whole. Raises `BadInput` for tracks
    that are not there or that the form cannot hold, `AlreadyThere` for files that exist.
    """
    wanted = options or TracksOptions()
    parts, left_out = _plan(source.layout, wanted)
    chosen = _choose(parts, source.layout, wanted)
    targets = [folder / _name(part, source.layout, stem, wanted.form) for part in chosen]
    writing = WriteOptions(overwrite=wanted.overwrite, hash=wanted.hash, sync=False)
    refuse_all(targets, writing)
    unreadable: list[range] = []
    total, done = sum(part.sectors for part in chosen), 0
    yield Progress(0, total)
    with ExitStack() as stack:
        outputs = []
        for part, target in zip(chosen, targets, strict=True):
            size = part.sectors * _row_size(part.track)
            output = Output(target, writing, stack, size if wanted.form is not Form.FLAC else 0)
            outputs.append(output)
            sink = _sink(wanted.form, output, source.layout, part, stack)
            for block in _blocks(source, part):
                sink.write(_rows(block, part.track, unreadable))
                done += len(block)
                yield Progress(done, total, what=f"track {part.number}")
            sink.finish()
            output.finish()
        written = publish(outputs)
    files = tuple(
        TrackFile(part.number, file, tuple(part.pieces))
        for part, file in zip(chosen, written, strict=True)
    )
    lost = Extent.of(unreadable)
    return TracksResult(not lost, files, tuple(left_out), lost)


def _plan(layout: Layout, wanted: TracksOptions) -> tuple[list[_Part], list[str]]:
    """All parts of the disc that the form can hold, and what is in none."""
    parts: list[_Part] = []
    left_out: list[str] = []
    before: _Part | None = None
    for track in layout.tracks:
        if track.is_data and wanted.form is not Form.BIN:
            left_out.append(f"data track {track.number}")
            before = None
            continue
        stored = track.stored_range
        start = min(max(track.index1, stored.start), stored.stop)
        part = _Part(track.number, track)
        gap = range(stored.start, start)
        if gap and wanted.gaps is Gaps.PREPEND:
            part.pieces.append(gap)
        elif gap and wanted.gaps is Gaps.APPEND and _goes_on(before, track):
            assert before is not None
            before.pieces.append(gap)
        elif gap and wanted.gaps is Gaps.APPEND and track is layout.tracks[0]:
            parts.append(_Part(0, track, [gap]))
        elif gap:
            left_out.append(f"{len(gap)} sectors of pregap of track {track.number}")
        part.pieces.append(range(start, stored.stop))
        parts.append(part)
        before = part
    return [part for part in parts if part.sectors], left_out


def _goes_on(before: _Part | None, track: Track) -> bool:
    """Whether the pregap of `track` can end the file before: sectors of the same kind."""
    if before is None or before.track.session != track.session:
        return False
    return (before.track.mode, before.track.stored) == (track.mode, track.stored)


def _choose(parts: list[_Part], layout: Layout, wanted: TracksOptions) -> list[_Part]:
    if not wanted.tracks:
        if not parts:
            raise BadInput(f"There is no audio on the disc to write as .{wanted.form}; take bin.")
        return parts
    by_number = {part.number: part for part in parts}
    for number in wanted.tracks:
        if number in by_number:
            continue
        if any(track.number == number and track.is_data for track in layout.tracks):
            raise BadInput(f"Track {number} is data, which .{wanted.form} cannot hold; take bin.")
        if number == 0:
            raise BadInput("Nothing is to be written from before track 1.")
        raise BadInput(f"There is no track {number} with anything in it.")
    return [by_number[number] for number in sorted(set(wanted.tracks))]


def _name(part: _Part, layout: Layout, stem: str, form: Form) -> str:
    """As Redump calls the tracks: two digits from ten tracks on."""
    digits = 1 if len(layout.tracks) < 10 else 2
    suffix = "iso" if form is Form.BIN and _row_size(part.track) == _USER else form.value
    return f"{stem} (Track {part.number:0{digits}}).{suffix}"


def _row_size(track: Track) -> int:
    """Bytes of a sector without subchannel."""
    without = {SectorFormat.RAW_SUB: _RAW, SectorFormat.USER_SUB: _USER}
    return without.get(track.stored, track.stored.size)


def _blocks(source: SectorSource, part: _Part) -> Iterator[Sectors]:
    for piece in part.pieces:
        yield from blocks_of(source, piece, _BATCH)


def _rows(block: Sectors, track: Track, unreadable: list[range]) -> Bytes2D:
    rows = block.data[:, : _row_size(track)]
    lost = block.states <= SectorState.FAILED
    if lost.any():
        unreadable += from_mask(block.lba, lost)
        rows = rows.copy()
        fill = b"" if track.mode is TrackMode.AUDIO else MARKER
        rows[lost] = filler(fill, rows.shape[1])
    return np.ascontiguousarray(rows)


class _Plain:
    """Sectors as they are."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, rows: Bytes2D) -> None:
        self._output.write(rows)

    def finish(self) -> None:
        pass


class _Wave(_Plain):
    """A WAVE file: its length is known before, its tags come last."""

    def __init__(self, output: Output, samples: int, tags: bytes) -> None:
        super().__init__(output)
        self._tags = tags
        head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16)
        head += b"data" + struct.pack("<I", samples)
        size = 4 + len(head) + samples + len(tags)
        output.write_bytes(b"RIFF" + struct.pack("<I", size) + b"WAVE" + head)

    def finish(self) -> None:
        self._output.write_bytes(self._tags)


class _Flac:
    """A FLAC file with tags."""

    def __init__(self, output: Output, layout: Layout, number: int, stack: ExitStack) -> None:
        from imagerd.toolkit.flacfile import FlacEncoder

        self._output, self._tags = output, tags_of(layout, number)
        self._encoder = FlacEncoder(output.target.parent)
        stack.callback(self._encoder.close)

    def write(self, rows: Bytes2D) -> None:
        self._encoder.write(rows)

    def finish(self) -> None:
        for piece in self._encoder.result(self._tags):
            self._output.write_bytes(piece)
        self._encoder.close()


def _sink(
    form: Form, output: Output, layout: Layout, part: _Part, stack: ExitStack
) -> _Plain | _Flac:
    if form is Form.FLAC:
        return _Flac(output, layout, part.number, stack)
    if form is Form.WAV:
        return _Wave(output, part.sectors * _RAW, info_list(tags_of(layout, part.number)))
    return _Plain(output)
