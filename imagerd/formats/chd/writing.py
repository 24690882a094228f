# SPDX-License-Identifier: Apache-2.0
"""Write any source as a CHD of version 5: read, packed on all processors, written in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.files import AtomicFile, move_into_place
from imagerd.base.progress import Progress, Task
from imagerd.base.sharing import helpers
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Bytes2D, SectorSource
from imagerd.formats.chd import ours
from imagerd.formats.chd.choice import choice_of
from imagerd.formats.chd.chosen import ChosenPacker
from imagerd.formats.chd.decoders import FRAME
from imagerd.formats.chd.encoders import CD_HUNK, DVD_HUNK, CdPacker, DvdPacker
from imagerd.formats.chd.frames import Reading
from imagerd.formats.chd.header import V5_SIZE, Header, pack
from imagerd.formats.chd.hunkmap import ENTRY, Entries, Kind
from imagerd.formats.chd.mapwriting import write_map
from imagerd.formats.chd.metadata import Block, overall_sha1, write_chain
from imagerd.formats.chd.place import dvd_layout, layout_of
from imagerd.formats.chd.plain import PlainWriting
from imagerd.formats.chd.plan import Plan, plan_cd
from imagerd.formats.chd.seen import Seen, mark_of
from imagerd.formats.chd.steps import hunks_of, step_size
from imagerd.formats.chd.tracks import DVD, render
from imagerd.formats.origin import Origin
from imagerd.formats.output import digests_of, refuse_all
from imagerd.formats.written import WriteOptions, WrittenFile, WrittenImage

Packer = CdPacker | DvdPacker | ChosenPacker
_Hunk = tuple[int, int, int, bytes]  # kind, length, CRC, mark
_BLOCK = SectorFormat.USER.size
_WAITING = 3  # steps for each helper, at most: bounds the memory


@dataclass(slots=True)
class _Job:
    """What is to be written: units in their order, by which packer, and their metadata."""

    packer: Packer
    units: int
    sectors: int
    stream: Iterator[Bytes2D]
    blocks: Callable[[], list[Block]]
    left_out: Callable[[], Iterator[str]]


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the CHD `target`; see `imagerd.formats.write_image`."""
    refuse_all([target], options)
    with ExitStack() as stack:
        reading = Reading(source, options, stack)
        job = (_cd if source.layout.is_cd else _dvd)(reading, source.layout, options)
        file = stack.enter_context(AtomicFile(target, overwrite=options.overwrite))
        writing = _writing(file.stream, job)
        stack.callback(writing.close)
        for _ in writing.run(job.stream):
            yield Progress(reading.done, job.sectors)
        writing.finish(job.blocks())
        if options.sync:
            file.finish()
        file.stream.close()
        digests = digests_of(file.part) if options.hash else None
        move_into_place(file.part, target, overwrite=options.overwrite)
    return WrittenImage(
        target,
        "chd",
        (WrittenFile(target, digests),),
        reading.track_digests(),
        tuple(job.left_out()),
        reading.bad.ranges(),
    )


def _writing(stream: BinaryIO, job: _Job) -> _Writing | PlainWriting:
    packer = job.packer
    if not packer.codecs:
        return PlainWriting(stream, packer.hunk, packer.unit, job.units)
    return _Writing(stream, packer, job.units)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _cd(reading: Reading, layout: Layout, options: WriteOptions) -> _Job:
    plan = plan_cd(layout)
    choice = choice_of(options.variant, FRAME, CD_HUNK, is_cd=True)
    return _Job(
        CdPacker(hunk=choice.hunk, quick=options.quick)
        if choice.codecs is None
        else ChosenPacker(choice.codecs, choice.hunk, FRAME, quick=options.quick),
        plan.frames,
        plan.sectors,
        reading.frames(plan),
        lambda: _cd_blocks(plan, reading, options.origin or Origin()),
        lambda: _left_out(plan, reading, options.origin or Origin()),
    )


def _left_out(plan: Plan, reading: Reading, origin: Origin) -> Iterator[str]:
    yield from origin.not_kept()
    if plan.gd and reading.with_sub:
        yield "the subchannel of the source: imagerd writes none for a GD-ROM"
        return
    unknown = sum(reading.without_sub[number] for number in reading.with_sub)
    if unknown:
        yield f"that the subchannel of {unknown} sectors is unknown: it is zeros, as others may be"


def _cd_blocks(plan: Plan, reading: Reading, origin: Origin) -> list[Block]:
    """The metadata: a block for each track, and ours where they do not say all."""
    entries = [
        replace(planned.entry, sub="RW_RAW")
        if planned.entry.number in reading.with_sub and not plan.gd
        else planned.entry
        for planned in plan.entries
    ]
    blocks = [render(entry, gd=plan.gd) for entry in entries]
    unread = reading.bad.ranges()
    said = layout_of(entries, gd=plan.gd)
    more = origin.densities or origin.kept_sheet is not None
    if unread or more or said != _with_formats(plan.layout, said):
        blocks.append(ours.render(plan.layout, unread, origin))
    return blocks


def _with_formats(layout: Layout, like: Layout) -> Layout:
    """`layout` with the stored formats of `like`, which has as many tracks: only they differ."""
    formats = iter([track.stored for track in like.tracks])
    return layout.with_tracks(lambda track: replace(track, stored=next(formats)))


def _dvd(reading: Reading, layout: Layout, options: WriteOptions) -> _Job:
    tracks = layout.tracks
    whole = range(len(tracks[0].stored_range))
    if len(tracks) != 1 or tracks[0].stored_range != whole:
        raise BadInput("The disc is more than one track of blocks, which is all that a CHD holds.")
    sectors = len(whole)
    said = dvd_layout(sectors)

    def blocks() -> list[Block]:
        unread = reading.bad.ranges()
        more = Origin(densities=(options.origin or Origin()).densities)
        if unread or more.densities or layout != said:
            return [Block(DVD, b"\0"), ours.render(layout, unread, more)]
        return [Block(DVD, b"\0")]

    choice = choice_of(options.variant, _BLOCK, DVD_HUNK, is_cd=False)
    packer = (
        DvdPacker(hunk=choice.hunk, quick=options.quick)
        if choice.codecs is None
        else ChosenPacker(choice.codecs, choice.hunk, _BLOCK, quick=options.quick)
    )
    return _Job(packer, sectors, sectors, reading.blocks(tracks[0]), blocks, lambda: iter(()))


@dataclass(frozen=True, slots=True)
class _Packing:
    """What a helper does: hunks lie in the memory, and then one after another what they became.

    For each of them it tells the kind, the length, the CRC, and what `Seen` knows it by.
    """

    packer: Packer

    def __call__(self, memory: memoryview, count: int) -> list[_Hunk]:
        rows = np.frombuffer(memory, np.uint8, count * self.packer.hunk).reshape(count, -1)
        marks = [mark_of(row.data) for row in rows]
        packed = self.packer.pack(rows)
        at = 0
        for one in packed:  # nothing is longer than it was, and all of it was packed before
            memory[at : at + len(one.data)] = one.data
            at += len(one.data)
        return [
            (one.kind, len(one.data), one.crc, mark)
            for one, mark in zip(packed, marks, strict=True)
        ]


class _Writing:
    """The file while it grows: header's room, hunks, map, metadata, and the header at last."""

    def __init__(self, stream: BinaryIO, packer: Packer, units: int) -> None:
        self._stream = stream
        self._packer = packer
        self._logical = units * packer.unit
        self._hunks = -(-self._logical // packer.hunk)
        self._entries: Entries = np.zeros(self._hunks, ENTRY)
        self._seen = Seen(self._hunks)
        self._raw = hashlib.sha1(usedforsecurity=False)
        slots = _WAITING * _cores() + 1
        self._helpers = helpers(_Packing(packer), slots, step_size(packer.hunk))
        self._filling = 0  # the slot whose hunks are being laid down
        self._waiting: deque[int] = deque()  # slots, in the order of their hunks
        self._number = 0  # of the hunk that is written next
        self._offset = V5_SIZE
        self._stream.write(bytes(V5_SIZE))

    def run(self, units: Iterator[Bytes2D]) -> Iterator[None]:
        """Pack and write all of `units`; yields now and then."""
        for hunks in hunks_of(units, self._packer.hunk, self._raw, self._room):
            self._helpers.start(self._filling, len(hunks))
            self._waiting.append(self._filling)
            yield
        while self._waiting:
            self._write_next()
            yield

    def _room(self) -> Bytes2D:
        """The memory of a slot; where none is free, what waits longest is written first."""
        while (slot := self._helpers.take()) is None:
            self._write_next()
        self._filling = slot
        return np.frombuffer(self._helpers.memory(slot), np.uint8)

    def _write_next(self) -> None:
        """Write the hunks of a slot; of those that were there already, only where."""
        slot = self._waiting.popleft()
        packed = self._helpers.result(slot)
        data = self._helpers.memory(slot)
        at, parts = 0, []
        for kind, length, crc, mark in packed:
            found = self._seen.first(mark)
            if found == self._number:
                parts.append(data[at : at + length])
                self._entries[self._number] = (kind, length, self._offset, crc, True)
                self._offset += length
            else:
                self._entries[self._number] = (Kind.SELF, 0, found, 0, False)
            self._number += 1
            at += length
        self._stream.write(b"".join(parts))
        self._helpers.give(slot)

    def close(self) -> None:
        """End the helpers."""
        self._helpers.close()

    def finish(self, blocks: list[Block]) -> None:
        """Write map, metadata and header."""
        del self._seen  # large, and done with
        chd_map = write_map(self._entries, V5_SIZE)
        meta = self._offset + len(chd_map)
        self._stream.write(chd_map)
        self._stream.write(write_chain(blocks, meta))
        raw = self._raw.digest()
        header = Header(
            5,
            self._packer.codecs,
            self._logical,
            self._offset,
            meta,
            self._packer.hunk,
            self._packer.unit,
            raw,
            overall_sha1(raw, blocks),
            None,
        )
        self._stream.seek(0)
        self._stream.write(pack(header))
