# SPDX-License-Identifier: Apache-2.0
"""Write a CD or a DVD as .mds (version 1) and .mdf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, Medium, SectorFormat, Track
from imagerd.disc.source import SectorSource
from imagerd.formats.codes import bad_codes
from imagerd.formats.mds.table import render_dvd, render_table, with_more
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawform import Runs, filled
from imagerd.formats.rawtracks import BATCH, RawTracks, all_stored, has_sub, refuse_other_media
from imagerd.formats.written import TrackDigests, WriteOptions, WrittenImage
from imagerd.sectors.blocks import blocks_of


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the .mds `target`; see `imagerd.formats.write_image`.

    Where the source gives subchannel, it lies behind each sector.
    """
    if source.layout.medium is Medium.DVD:
        return (yield from _write_dvd(source, target, options))
    refuse_other_media(source.layout, target)
    origin = options.origin or Origin()
    mdf = target.with_suffix(".mdf")
    refuse_all([target, mdf], options)
    sub = has_sub(source)
    stored = SectorFormat.RAW_SUB if sub else SectorFormat.RAW
    layout = all_stored(source.layout, stored)
    job = RawTracks(source, options, sum(track.end - track.start for track in layout.tracks))
    offsets: dict[int, int] = {}
    with ExitStack() as stack:
        output = Output(mdf, options, stack, job.total * stored.size)
        for track in layout.tracks:
            offsets[track.number] = (job.done + track.pregap) * stored.size
            yield from _write_track(job, track, output, stack, sub=sub)
        mds = Output(target, options, stack)
        table = render_table(layout, offsets)
        mds.write_bytes(with_more(table, origin.densities, origin.kept_sheet))
        written = publish([output, mds])
    return WrittenImage(
        target,
        "mds",
        (written[1], written[0]),
        tuple(job.digests),
        (*_left_out(layout, sub=sub), *origin.not_kept()),
        job.bad.ranges(),
    )


def _write_dvd(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    mdf = target.with_suffix(".mdf")
    refuse_all([target, mdf], options)
    track, end = source.layout.tracks[0], source.layout.end
    bad = Runs()
    with ExitStack() as stack:
        output = Output(mdf, options, stack, end * SectorFormat.USER.size)
        for block in blocks_of(source, range(end), BATCH):
            data = filled(block.data, block, options.fill, bad)
            output.write(np.ascontiguousarray(data))
            yield Progress(block.end, end, what="blocks")
        mds = Output(target, options, stack)
        mds.write_bytes(with_more(render_dvd(end), (options.origin or Origin()).densities))
        written = publish([output, mds])
    digests = written[0].digests
    return WrittenImage(
        target,
        "mds",
        (written[1], written[0]),
        (TrackDigests(track.number, digests),) if digests else (),
        ("where a further layer begins",) if source.layout.layers else (),
        bad.ranges(),
    )


def _write_track(
    job: RawTracks, track: Track, output: Output, stack: ExitStack, *, sub: bool
) -> Iterator[Progress]:
    for block in job.blocks(track, range(track.start, track.end), stack):
        output.write(block.with_sub() if sub else block.raw)
        yield job.progress(track)


def _left_out(layout: Layout, *, sub: bool) -> Iterator[str]:
    """An .mds has no words for codes and indexes; with subchannel, its Q holds them."""
    yield from bad_codes(layout)
    where = " (the subchannel, which is written, has them)" if sub else ""
    if layout.mcn is not None:
        yield f"the media catalogue number{where}"
    if any(track.isrc for track in layout.tracks):
        yield f"the ISRCs{where}"
    if any(index.number > 1 for track in layout.tracks for index in track.indexes):
        yield f"indexes above 01{where}"
    if layout.cd_text is not None:
        yield "CD-Text"
    for track in layout.tracks:
        if track.index1 == track.start and track.indexes[0].number == 0:
            yield f"the INDEX 00 of track {track.number}, which has no length"
