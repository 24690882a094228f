# SPDX-License-Identifier: Apache-2.0
"""Write an .iso: the user data of one data track, or the blocks of a DVD or BD."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, SectorFormat, Track
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats.features import Feature
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, Sink, publish, refuse_all
from imagerd.formats.proof import Proof
from imagerd.formats.rawform import Runs, filler, to_raw, unread
from imagerd.formats.registry import Container
from imagerd.formats.sidecar import refuse_sidecar, sidecar_output
from imagerd.formats.userdata import UserData
from imagerd.formats.write import losses
from imagerd.formats.written import TrackDigests, WriteOptions, WrittenImage
from imagerd.sectors.blocks import blocks_of

BATCH = 1024  # sectors of one step: 2.4 MB
_USER = SectorFormat.USER.size
_SECTORS = frozenset({Feature.AUDIO, Feature.TRACKS, Feature.PREGAPS})


@dataclass(slots=True)
class _Job:
    source: SectorSource
    track: Track
    options: WriteOptions
    user: UserData
    proof: Proof | None
    bad: Runs = field(default_factory=Runs)


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write a track of `source` as the .iso `target`; see `imagerd.formats.write_image`."""

    def plain(stack: ExitStack, size: int) -> Output:
        return Output(target, options, stack, size)

    return (yield from write_blocks(source, target, options, "iso", plain))


def write_blocks(
    source: SectorSource,
    target: Path,
    options: WriteOptions,
    format: str,
    sink: Callable[[ExitStack, int], Sink],
) -> Task[WrittenImage]:
    """As `write_image`, into the sink made for a number of bytes."""
    track = _choose(source.layout, options.track, target)
    refuse_all([target], options)
    proof = Proof.of(source.layout, options.origin or Origin())
    refuse_sidecar(target, proof.kept if proof is not None else None, options)
    job = _Job(
        source,
        track,
        options,
        UserData(
            track.mode, options.check, options.repair, options.cut_form2, spared=options.spared
        ),
        proof,
    )
    with ExitStack() as stack:
        output = sink(stack, len(_stored(track)) * _USER)
        yield from _write(job, output)
        kept = sidecar_output(target, proof.proven() if proof is not None else None, options, stack)
        *beside, written = publish([*kept, output])
    digests = output.digests
    return WrittenImage(
        target,
        format,
        (written, *beside),
        (TrackDigests(track.number, digests),) if digests else (),
        tuple(_left_out(source, track, job.user)),
        job.bad.ranges(),
        job.user.wrong.ranges(),
        job.user.repaired.ranges(),
    )


def _choose(layout: Layout, number: int | None, target: Path) -> Track:
    data = [track for track in layout.tracks if track.is_data]
    if number is not None:
        data = [track for track in data if track.number == number]
        if not data:
            raise BadInput(f"Track {number} is no data track; an .iso cannot hold it.")
    if not data:
        raise BadInput(f"The disc holds only audio, which {target} cannot hold; write it as .cue.")
    return data[0]


def _stored(track: Track) -> range:
    """What an .iso gets of a track: all that is stored but its pregap."""
    return range(max(track.index1, track.stored_range.start), track.stored_range.stop)


def _write(job: _Job, output: Sink) -> Iterator[Progress]:
    track = job.track
    area = _stored(track)
    for block in blocks_of(job.source, area, BATCH):
        if job.proof is not None and block.format is SectorFormat.RAW:
            job.proof.update(block.data)
        output.write(_user_data(job, block))
        yield Progress(block.end - area.start, len(area), what=f"track {track.number}")


def _user_data(job: _Job, block: Sectors) -> Bytes2D:
    rows = unread(block)
    for row in rows:
        job.bad.add(block.lba + int(row))
    if block.format is SectorFormat.USER:
        user = block.data.copy() if len(rows) else block.data
    elif block.format is SectorFormat.USER_SUB:
        user = np.ascontiguousarray(block.data[:, :_USER])
    else:
        raw = to_raw(block.data, block.format, job.track.mode, block.lba)
        lost = None
        if len(rows):
            lost = np.zeros(len(raw), np.uint8)
            lost[rows] = 1
        user = job.user.of(raw, block.lba, lost)
    if len(rows):
        user[rows] = filler(job.options.fill, _USER)
    return np.ascontiguousarray(user)


def _left_out(source: SectorSource, track: Track, user: UserData) -> Iterator[str]:
    """What an .iso of `track` does not hold, for people."""
    for trait in losses(source, Container.ISO, track=track.number) or ():
        if trait.feature in _SECTORS or trait.feature is Feature.CD_TEXT:
            yield trait.sentence
    if user.cut:
        yield f"276 bytes of each of {user.cut} form 2 sectors"
