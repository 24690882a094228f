# SPDX-License-Identifier: Apache-2.0
"""Write a GD-ROM as .gdi, with a raw file for each track."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Control, Layout, SectorFormat, Track, TrackMode
from imagerd.disc.source import SectorSource
from imagerd.formats.gdi import HIGH_DENSITY, LIMIT
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawform import empty_sectors
from imagerd.formats.rawtracks import RawBlock, RawTracks, all_stored, has_sub, refuse_other_media
from imagerd.formats.sidecar import refuse_sidecar, sidecar_output
from imagerd.formats.written import WriteOptions, WrittenImage

_RAW = SectorFormat.RAW


@dataclass(slots=True)
class _Job:
    raw: RawTracks
    stack: ExitStack
    target: Path
    options: WriteOptions
    outputs: list[Output] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the .gdi `target`; see `imagerd.formats.write_image`.

    A .gdi knows no pregaps. Those that are silent or empty are left out, as is usual, and read
    again as they were; others are kept at the end of the file before.
    """
    _check(source.layout, target)
    layout = all_stored(source.layout)
    refuse_all([target, *(_file(target, track) for track in layout.tracks)], options)
    origin = options.origin or Origin()
    refuse_sidecar(target, origin.kept_sheet, options)
    total = sum(track.end - track.start for track in layout.tracks)
    with ExitStack() as stack:
        job = _Job(RawTracks(source, options, total), stack, target, options)
        for session in layout.sessions:
            for track in session.tracks:
                yield from _write_track(job, track, opening=track is session.tracks[0])
        gdi = Output(target, options, stack)
        gdi.write_bytes(render(layout, target).encode("utf-8", "surrogateescape"))
        kept = sidecar_output(target, origin.kept_sheet, options, stack)
        written = publish([*job.outputs, *kept, gdi])
    sub = has_sub(source)
    return WrittenImage(
        target,
        "gdi",
        (written[-1], *written[:-1]),
        tuple(job.raw.digests),
        (*job.lost, *_left_out(source.layout, sub=sub), *origin.not_kept()),
        job.raw.bad.ranges(),
    )


def _check(layout: Layout, target: Path) -> None:
    refuse_other_media(layout, target, LIMIT)
    if len(layout.sessions) != 2 or layout.sessions[1].tracks[0].index1 != HIGH_DENSITY:
        raise BadInput(
            f"The disc has no second area from LBA {HIGH_DENSITY} on, so it is no GD-ROM, which"
            f" {target} would hold; write it as .cue."
        )
    if any(char in target.name for char in '"\r\n'):
        raise BadInput(f"{target}: a .gdi cannot name files with quotes or line ends in them.")


def _file(target: Path, track: Track) -> Path:
    suffix = "raw" if track.mode is TrackMode.AUDIO else "bin"
    return target.with_name(f"{target.stem}-track{track.number:02}.{suffix}")


def render(layout: Layout, target: Path) -> str:
    """The lines: how many tracks, then number, LBA, CONTROL, sector size, file and offset."""
    rows = [str(len(layout.tracks))]
    for track in layout.tracks:
        name = _file(target, track).name
        name = f'"{name}"' if " " in name else name
        control = int(track.control & Control.DATA)
        rows.append(f"{track.number} {track.index1} {control} {_RAW.size} {name} 0")
    return "".join(f"{row}\r\n" for row in rows)


def _write_track(job: _Job, track: Track, *, opening: bool) -> Iterator[Progress]:
    """The pregap goes to the file before, if it says anything, then the track to its own."""
    pregap: list[RawBlock] = []
    output: Output | None = None
    area = range(track.start, track.end)
    for block in job.raw.blocks(track, area, job.stack, cut=track.index1):
        if block.lba < track.index1:
            pregap.append(block)
        else:
            output = output or _begin(job, track, pregap, opening=opening)
            output.write(block.raw)
        yield job.raw.progress(track)
    if output is None:
        _begin(job, track, pregap, opening=opening)


def _begin(job: _Job, track: Track, pregap: list[RawBlock], *, opening: bool) -> Output:
    """Begin the file of `track`; its pregap is kept in the one before where it is not empty.

    What of it could not be read is no silence: left out, it would be read as good again.
    """
    unread = any(
        bad.start < track.index1 and track.start < bad.stop for bad in job.raw.bad.ranges()
    )
    empty = not unread and all(_is_empty(track, block) for block in pregap)
    if opening and pregap:
        what = "empty " if empty else ""
        job.lost.append(f"the {what}pregap of track {track.number}, {track.pregap} sectors")
    elif not empty:
        for block in pregap:
            job.outputs[-1].write(block.raw)
    if job.outputs:
        job.outputs[-1].finish()
    job.outputs.append(Output(_file(job.target, track), job.options, job.stack))
    return job.outputs[-1]


def _is_empty(track: Track, block: RawBlock) -> bool:
    return np.array_equal(block.raw, empty_sectors(track.mode, _RAW, block.lba, len(block.raw)))


def _left_out(layout: Layout, *, sub: bool) -> Iterator[str]:
    if sub:
        yield "the subchannel of the source: a .gdi has no place for it"
    if layout.mcn is not None:
        yield "the media catalogue number"
    if layout.cd_text is not None:
        yield "CD-Text"
    if any(track.isrc for track in layout.tracks):
        yield "the ISRCs"
    if any(track.control & ~Control.DATA for track in layout.tracks):
        yield "the flags of tracks other than that of data"
    if any(index.number > 1 for track in layout.tracks for index in track.indexes):
        yield "indexes above 01"
