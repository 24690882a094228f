# SPDX-License-Identifier: Apache-2.0
"""A CD as .scram, .state, .subcode, .toc, .fulltoc, .pma, .atip and .cdtext."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from imagerd.base.progress import Progress, Task
from imagerd.devices.virtual.toc import TocReplies
from imagerd.disc.layout import Track
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.recovery.job import TocRecord
from imagerd.sectors.offset import SAMPLES, OffsetView
from imagerd.sectors.views import RawView
from imagerd.toolkit.redumper.judging import judged_data, stored_raw
from imagerd.toolkit.redumper.placing import (
    Samples,
    Scram,
    Shifts,
    as_on_disc,
    runs,
    sample_states,
)
from imagerd.toolkit.redumper.states import State, cd_states
from imagerd.toolkit.redumper.subcode import MadeSub, Subcode
from imagerd.toolkit.redumper.writing import ExportOptions, Provenance, SetFiles, Told

_BATCH: Final = 512  # sectors of one step


class CdExport:
    """The export of a CD."""

    def __init__(
        self, source: SectorSource, files: SetFiles, options: ExportOptions, known: Provenance
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
        self._told = Told()
        self._filling = 0
        self._small_files(files)

    def _small_files(self, files: SetFiles) -> None:
        """.toc, .fulltoc, … as the drive replied; where nobody kept that, made of the layout.

        What a drive did not give redumper does not write either, but for .toc, which it must have.
        """
        kept, made = self._known.replies, TocReplies(self._layout)
        tracks = made.tracks(1, msf=False)
        if kept is None:
            kept = TocRecord(full=made.full(1) or b"", cd_text=made.cd_text() or b"")
        for suffix, reply in (
            (".toc", kept.tracks or tracks),
            (".fulltoc", kept.full),
            (".pma", kept.pma),
            (".atip", kept.atip),
            (".cdtext", kept.cd_text),
        ):
            if reply:
                files.write(suffix, reply)

    def run(self) -> Task[Told]:
        """Read all sessions once; the files are written when it ends, but have no names yet."""
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
        states = judged_data(block, track) if track is not None and in_data else block.states
        self._filling += int((states < np.minimum(block.states, SectorState.SUSPECT)).sum())
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
        yield from self._toc_notes()
        yield from self._subcode_notes()
        yield from self._offset_notes()
        if not all(stored_raw(track) for track in self._layout.tracks):
            yield (
                "Sectors were stored without sync, header, EDC and parity: these are generated"
                " in .scram, not read."
            )
        if any(t.pregap_virtual or t.postgap_virtual for t in self._layout.tracks):
            yield "Gaps that the image does not hold are ERROR_SKIP."
        if self._filling:
            yield (
                f"{self._filling} sectors look like filling for what could not be read, though"
                " nobody remembers that: they are ERROR_SKIP."
            )
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

    def _toc_notes(self) -> Iterator[str]:
        kept = self._known.replies
        if kept is None:
            yield (
                "The drive's replies to READ TOC were not kept: .toc and .fulltoc are made of the"
                " layout, so redumper's refine may not take the disc for the same."
            )
        elif not kept.tracks:
            yield (
                "The drive did not reply to READ TOC, format 0: .toc is made of the layout, so"
                " redumper's refine may not take the disc for the same."
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
        if all(track.is_data for track in tracks):
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
