# SPDX-License-Identifier: Apache-2.0
"""`export --redumper`: a disc as the files of redumper, read once, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.files import AtomicFile, move_into_place
from imagerd.base.progress import Progress, Task
from imagerd.devices.virtual.toc import TocReplies
from imagerd.disc.layout import Layout, SectorFormat, Track
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.sectors.offset import SAMPLES, OffsetView
from imagerd.sectors.verify import check_data
from imagerd.sectors.views import RawView
from imagerd.toolkit.redumper.placing import (
    Samples,
    Scram,
    Shifts,
    as_on_disc,
    runs,
    sample_states,
)
from imagerd.toolkit.redumper.states import State, block_states, cd_states
from imagerd.toolkit.redumper.subcode import MadeSub, Subcode
from imagerd.toolkit.redumper.told import log_text

_BATCH: Final = 512  # sectors of one step
MOST_SHIFT: Final = 150 * SAMPLES  # samples; redumper looks no further for an offset either


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    `read_offset`: of the drive, AccurateRip's sign, where the source's audio is as the drive gave
    it; None: not known. `write_offset`: by how many samples data sectors are late on the disc;
    None: not known. `make_subcode`: P and Q out of the layout where no subchannel was kept.
    """

    overwrite: bool = False
    read_offset: int | None = None
    write_offset: int | None = None
    make_subcode: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a source beside its sectors.

    `corrected`: the read offset that was taken out of its audio already. `accounted`: somebody
    remembers what could not be read. `facts` are for the log, names and values.
    """

    corrected: int | None = None
    accounted: bool = False
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written, the log last. `counts`: samples (CD) or blocks by redumper's state.

    `notes`: sentences on what is not as redumper would have read it. `ok`: nothing is ERROR.
    """

    ok: bool
    files: tuple[Path, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]


def export_redumper(
    source: SectorSource,
    target: Path,
    options: ExportOptions | None = None,
    known: Provenance | None = None,
) -> Task[ExportResult]:
    """Write `source` as the files `target`.scram, .state, … (`target` has no suffix).

    The files appear under their names together when all are whole. Raises `AlreadyThere` for those
    that exist, `BadInput` for options that do not fit the source.
    """
    options, known = options or ExportOptions(), known or Provenance()
    _check(source.layout, options, known)
    with ExitStack() as stack:
        files = _Files(target, options, stack)
        if source.layout.is_cd:
            task = _Cd(source, files, options, known).run()
        else:
            task = _blocks(source, files, known)
        told = yield from task
        facts = (*known.facts, ("files", ", ".join(sorted(files.suffixes))))
        text = log_text(source.layout, facts, told.counts, told.notes)
        files.write(".log", text.encode("utf-8", "replace"))
        named = files.publish()
    errors = told.counts[State.ERROR_SKIP] + told.counts[State.ERROR_C2]
    counts = {state.name.lower(): count for state, count in told.counts.items()}
    return ExportResult(errors == 0, named, counts, tuple(told.notes))


def _check(layout: Layout, options: ExportOptions, known: Provenance) -> None:
    if layout.is_cd and layout.start < 0:
        raise BadInput(f"The disc begins at LBA {layout.start}, before the program area.")
    if layout.is_cd and layout.end > LBA_MAX + 1:
        raise BadInput(f"The disc ends at LBA {layout.end}; a CD has addresses up to {LBA_MAX}.")
    if not layout.is_cd and (options.read_offset is not None or options.write_offset is not None):
        raise BadInput("A disc other than a CD has no samples to move; leave the offset out.")
    if options.read_offset is not None and known.corrected is not None:
        raise BadInput(
            f"The read offset of {known.corrected:+d} samples was taken out of this image already;"
            " leave --read-offset out."
        )


class _Files:
    """The files of one set, under temporary names until `publish`."""

    def __init__(self, target: Path, options: ExportOptions, stack: ExitStack) -> None:
        self._target, self._overwrite, self._stack = target, options.overwrite, stack
        self._open: dict[str, AtomicFile] = {}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotAvailable(f"Cannot make {target.parent}: {error.strerror}.") from error

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files so far."""
        return tuple(self._open)

    def create(self, suffix: str) -> AtomicFile:
        """A new file, to be written at any place."""
        path = self._target.with_name(self._target.name + suffix)
        file = self._stack.enter_context(AtomicFile(path, overwrite=self._overwrite))
        self._open[suffix] = file
        return file

    def write(self, suffix: str, data: bytes) -> None:
        """A small file."""
        self.create(suffix).stream.write(data)

    def publish(self) -> tuple[Path, ...]:
        """Name all, in the order in which they were made."""
        for file in self._open.values():
            file.finish()
        for file in self._open.values():
            move_into_place(file.part, file.target, overwrite=self._overwrite)
        return tuple(file.target for file in self._open.values())


@dataclass(slots=True)
class _Told:
    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    notes: list[str] = field(default_factory=list)

    def count(self, states: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
        for state, number in enumerate(np.bincount(states, minlength=len(State)).tolist()):
            self.counts[State(state)] += number


class _Cd:
    """The export of a CD."""

    def __init__(
        self, source: SectorSource, files: _Files, options: ExportOptions, known: Provenance
    ) -> None:
        raw = RawView(source)
        self._maker = MadeSub(raw) if options.make_subcode else None
        self._source: SectorSource = self._maker or raw
        self._layout, self._options, self._known = source.layout, options, known
        self._shifts = Shifts(-(options.read_offset or 0), options.write_offset or 0)
        self._unknown = tuple(_never_read(source, known.corrected or 0))
        self._scram = Scram(
            files.create(".scram").stream, files.create(".state").stream, self._shifts.spread
        )
        self._subcode = Subcode(files.create(".subcode").stream)
        self._told = _Told()
        self._small_files(files)

    def _small_files(self, files: _Files) -> None:
        """.toc, .fulltoc, .cdtext: no job keeps the replies, so they are made of the layout."""
        replies = TocReplies(self._layout)
        for suffix, reply in (
            (".toc", replies.tracks(1, msf=False)),
            (".fulltoc", replies.full(1)),
            (".cdtext", replies.cd_text()),
        ):
            if reply is not None:
                files.write(suffix, reply)

    def run(self) -> Task[_Told]:
        done, total = 0, self._layout.sectors
        for area in self._layout.ranges():
            lba = area.start
            while lba < area.stop:
                track = self._layout.track_at(lba)
                stop = area.stop if track is None else track.end
                block = self._source.read(lba, min(_BATCH, stop - lba))
                self._take(block, track)
                lba, done = block.end, done + len(block)
                yield Progress(done, total, what="reading")
        most = max(self._shifts.audio, self._shifts.data, 0)
        self._scram.finish(self._layout.end * SAMPLES + most)
        self._subcode.finish(self._layout.end)
        self._told.counts[State.ERROR_C2] += self._scram.disputed
        self._told.notes = list(self._notes())
        return self._told

    def _take(self, block: Sectors, track: Track | None) -> None:
        in_data = track is not None and track.is_data
        states = _proven(block) if track is not None and _proves(track) else block.states
        rows, is_data = as_on_disc(block.data, block.lba, data=in_data)
        marks = sample_states(cd_states(states), block.lba, self._unknown)
        samples: Samples = np.ascontiguousarray(rows).reshape(-1).view(np.uint32)
        for begin, end, late in runs(is_data):
            part = slice(begin * SAMPLES, end * SAMPLES)
            shift = self._shifts.data if late else self._shifts.audio
            first = (block.lba + begin) * SAMPLES + shift
            self._scram.place(first, samples[part], marks[part])
        self._told.count(marks)
        if block.sub is not None:
            self._subcode.write(block.lba, block.sub)

    def _notes(self) -> Iterator[str]:
        """What redumper would have had otherwise."""
        yield (
            "The drive's replies to READ TOC were not kept: .toc and .fulltoc are made of the"
            " layout, so redumper's refine may not take the disc for the same."
        )
        yield from self._subcode_notes()
        yield from self._offset_notes()
        if any(track.stored not in _RAW for track in self._layout.tracks):
            yield (
                "Sectors were stored without sync, header, EDC and parity: these are generated"
                " in .scram, not read."
            )
        if any(t.pregap_virtual or t.postgap_virtual for t in self._layout.tracks):
            yield "Gaps that the image does not hold are ERROR_SKIP."
        if self._scram.disputed:
            yield (
                f"{self._scram.disputed} samples where data and audio meet differ between the two"
                " and are ERROR_C2."
            )
        yield "READ is SUCCESS_C2_OFF, as it is not kept which readings were with C2."
        yield (
            f"Lead-in, pregap (LBA -150 to {self._layout.start - 1}), the gaps between sessions and"
            " the lead-out were not read: they are ERROR_SKIP."
        )

    def _subcode_notes(self) -> Iterator[str]:
        if self._maker is not None and self._maker.made:
            yield (
                "No subchannel was kept: P and Q in .subcode are made of the layout, they were"
                " not read."
            )
        elif not self._subcode.known:
            yield (
                "No subchannel was kept: .subcode is empty (zeros), and redumper's split then"
                " begins each track 150 sectors before its INDEX 01."
            )

    def _offset_notes(self) -> Iterator[str]:
        tracks = self._layout.tracks
        if any(track.is_data for track in tracks):
            if self._options.write_offset is None:
                yield (
                    "The disc's write offset is not known: data sectors stand at offset 0, which"
                    " redumper will find, but it was not measured."
                )
            else:
                yield f"Data sectors stand at the write offset given: {self._shifts.data:+d}."
        if not any(not track.is_data for track in tracks):
            return
        if self._known.corrected is not None:
            yield (
                f"The drive's read offset of {self._known.corrected:+d} samples had been taken out"
                " of the audio; what lay beyond its edges is ERROR_SKIP."
            )
        elif self._options.read_offset is not None:
            yield f"Audio is moved by the drive's read offset: {self._options.read_offset:+d}."
        else:
            yield "The drive's read offset is not known: audio stands where the drive gave it."


_RAW: Final = (SectorFormat.RAW, SectorFormat.RAW_SUB)


def _proves(track: Track) -> bool:
    """Whether the EDC of its sectors was read; one that is generated proves nothing."""
    return track.is_data and track.stored in _RAW


def _proven(block: Sectors) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The states of raw data sectors: one that proves itself by its EDC is PROVEN."""
    proven = check_data(block.data, block.lba, parity=False).proven
    proven &= block.states == SectorState.READ
    return np.where(proven, np.uint8(SectorState.PROVEN), block.states)


def _never_read(source: SectorSource, corrected: int) -> Iterator[range]:
    """Samples of the program area that the source has from nowhere: gaps that are not stored, and
    the silence at the edges of audio that was moved by `corrected` samples.
    """
    for track in source.layout.tracks:
        stored = track.stored_range
        for area in (range(track.start, stored.start), range(stored.stop, track.end)):
            if area:
                yield range(area.start * SAMPLES, area.stop * SAMPLES)
    if not corrected:
        return
    for area in OffsetView(RawView(source), corrected).areas:
        begin, end = area.start * SAMPLES, area.stop * SAMPLES
        yield range(end - corrected, end) if corrected > 0 else range(begin, begin - corrected)


def _blocks(source: SectorSource, files: _Files, known: Provenance) -> Task[_Told]:
    """The export of a DVD or BD: .iso, and a byte for each sector in .state."""
    told, layout = _Told(), source.layout
    size = SectorFormat.USER.size
    iso, state = files.create(".iso").stream, files.create(".state").stream
    lba = layout.start
    while lba < layout.end:
        block = source.read(lba, min(_BATCH, layout.end - lba))
        if block.format is not SectorFormat.USER:
            raise BadInput(f"Sectors of {block.format.size} bytes cannot stand in an .iso.")
        for begin, end, kept in runs(block.states > SectorState.FAILED):
            if kept:
                iso.seek((lba - layout.start + begin) * size)
                iso.write(np.ascontiguousarray(block.data[begin:end]).data.cast("B"))
        marks = block_states(block.states, accounted=known.accounted)
        state.write(np.ascontiguousarray(marks).data)
        told.count(marks)
        lba = block.end
        yield Progress(lba - layout.start, layout.sectors, what="reading")
    iso.truncate(layout.sectors * size)
    told.notes = [
        "Disc structures (.physical, .manufacturer, .bca) were not kept, so they are not here:"
        " redumper's refine asks for .physical.",
        "Sectors that could not be read are zeros and ERROR_SKIP; suspect ones keep their bytes"
        " and are ERROR_SKIP, too.",
    ]
    if not known.accounted:
        told.notes.append(
            "It is not known how the image was read: its sectors are SUCCESS_SCSI_OFF."
        )
    return told
