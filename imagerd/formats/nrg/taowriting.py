# SPDX-License-Identifier: Apache-2.0
"""Write a source as a Nero image, track at once; a DVD is one such track.

A row for each track tells where in the file it lies, and its LBA as if the two seconds between
tracks were not: so counts Nero, as libcdio found. Those are in no file, so they must be empty.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, Medium, SectorFormat, Track
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import SectorSource
from imagerd.formats.keptsheet import pack
from imagerd.formats.nrg.chunks import OURS, Chunk, render_chunks
from imagerd.formats.nrg.tables import TaoTrack, mode_of, render_tao
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawform import Runs, empty_sectors, filled, to_raw, unread
from imagerd.formats.rawtracks import BATCH, RawTracks, all_stored, has_sub, refuse_other_media
from imagerd.formats.written import TrackDigests, WriteOptions, WrittenImage
from imagerd.sectors.blocks import blocks_of

_CD, _DVD = 1, 0x200  # bits of MTYP
_MOST_OLD = 1 << 32  # bytes that version 1 can count


def write_tracks(
    source: SectorSource, target: Path, options: WriteOptions, *, new: bool
) -> Task[WrittenImage]:
    """Write the CD `source` track at once. `new`: version 2. Raises `BadInput` for discs whose
    tracks do not lie two empty seconds apart.
    """
    _check(source.layout, target)
    refuse_all([target], options)
    for track in source.layout.tracks[1:]:
        _refuse_full_gap(source, track, target)
    origin = options.origin or Origin()
    stored = SectorFormat.RAW_SUB if has_sub(source) else SectorFormat.RAW
    layout = all_stored(source.layout, stored)
    job = RawTracks(source, options, sum(track.end - track.index1 for track in layout.tracks))
    with ExitStack() as stack:
        output = Output(target, options, stack, job.total * stored.size)
        rows: list[TaoTrack] = []
        for track in layout.tracks:
            size = (track.end - track.index1) * stored.size
            rows.append(TaoTrack(job.done * stored.size, size, mode_of(track), job.done))
            for block in job.blocks(track, range(track.index1, track.end), stack):
                output.write(block.raw if stored is SectorFormat.RAW else block.with_sub())
                yield job.progress(track)
        chunks = [_table(rows, new=new)]
        if layout.cd_text is not None:
            chunks.append(Chunk("CDTX", layout.cd_text.packs))
        chunks += [_number("SINF", len(rows)), _number("MTYP", _CD)]
        if origin.kept_sheet is not None:
            chunks.append(Chunk(OURS, pack(origin.kept_sheet)))
        output.write_bytes(render_chunks(chunks, job.total * stored.size, new=new))
        written = publish([output])
    left_out = tuple(origin.not_kept())
    return WrittenImage(target, "nrg", written, tuple(job.digests), left_out, job.bad.ranges())


def write_blocks(
    source: SectorSource, target: Path, options: WriteOptions, *, new: bool
) -> Task[WrittenImage]:
    """Write a DVD: one track of 2048-byte blocks."""
    track, end = source.layout.tracks[0], source.layout.end
    size = end * SectorFormat.USER.size
    if source.layout.medium is not Medium.DVD or source.layout.start != 0:
        raise BadInput(f"A .nrg holds CDs and DVDs, and this is neither; write {target} as .iso.")
    if not new and size >= _MOST_OLD:
        raise BadInput(f"{target} would be of 4 GiB and more, which version 1 cannot count.")
    refuse_all([target], options)
    bad = Runs()
    with ExitStack() as stack:
        output = Output(target, options, stack, size)
        for block in blocks_of(source, range(end), BATCH):
            output.write(np.ascontiguousarray(filled(block.data, block, options.fill, bad)))
            yield Progress(block.end, end, what="blocks")
        chunks = [_table([TaoTrack(0, size, 0, 0)], new=new)]
        chunks += [_number("SINF", 1), _number("MTYP", _DVD)]
        output.write_bytes(render_chunks(chunks, size, new=new))
        written = publish([output])
    digests = written[0].digests
    return WrittenImage(
        target,
        "nrg",
        written,
        (TrackDigests(track.number, digests),) if digests else (),
        (),
        bad.ranges(),
    )


def _check(layout: Layout, target: Path) -> None:
    refuse_other_media(layout, target)
    if len(layout.sessions) > 1:
        raise BadInput(f"The disc has several sessions; {target} can hold them disc at once.")
    first = layout.tracks[0]
    if first.number != 1 or first.index1 != 0:
        raise BadInput(
            f"Track {first.number}, the first, begins at LBA {first.index1}; track at once the"
            f" first is track 1 at LBA 0: write {target} disc at once."
        )
    for track in layout.tracks[1:]:
        if track.pregap != PREGAP:
            raise BadInput(
                f"Track {track.number} has a pregap of {track.pregap} sectors; track at once all"
                f" have {PREGAP}: write {target} disc at once."
            )


def _refuse_full_gap(source: SectorSource, track: Track, target: Path) -> None:
    for block in blocks_of(source, range(track.start, track.index1), PREGAP):
        raw = to_raw(block.data, block.format, track.mode, block.lba)
        empty = empty_sectors(track.mode, SectorFormat.RAW, block.lba, len(raw))
        if len(unread(block)) or not np.array_equal(raw, empty):
            raise BadInput(
                f"The pregap of track {track.number} is not empty, and track at once there is no"
                f" place for it: write {target} disc at once."
            )


def _table(rows: list[TaoTrack], *, new: bool) -> Chunk:
    return Chunk("ETN2" if new else "ETNF", render_tao(rows, new=new))


def _number(name: str, number: int) -> Chunk:
    return Chunk(name, struct.pack(">I", number))
