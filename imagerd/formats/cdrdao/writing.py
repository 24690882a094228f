# SPDX-License-Identifier: Apache-2.0
"""Write a source of one session as a cdrdao TOC with raw sectors: .toc and .bin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, Track, TrackMode
from imagerd.disc.source import SectorSource
from imagerd.formats.cdrdao.program import COMMENT
from imagerd.formats.cdrdao.render import render
from imagerd.formats.cdrdao.texts import Rendered
from imagerd.formats.codes import bad_codes
from imagerd.formats.cue.render import stored_raw
from imagerd.formats.keptsheet import KeptSheet, text_lines
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, data_name, publish, refuse_all
from imagerd.formats.rawtracks import RawTracks, has_sub, refuse_other_media
from imagerd.formats.written import WriteOptions, WrittenImage


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the TOC `target`; see `imagerd.formats.write_image`.

    The samples of audio are big-endian, as cdrdao has them. Where the source gives subchannel, it
    lies behind each sector (RW_RAW).
    """
    _check(source.layout, target)
    layout = stored_raw(source.layout)
    origin = options.origin or Origin()
    binary = target.with_name(data_name(target, options))
    refuse_all([target, binary], options)
    sub = has_sub(source)
    job = RawTracks(source, options, sum(len(track.stored_range) for track in layout.tracks))
    with ExitStack() as stack:
        output = Output(binary, options, stack, job.total * (2448 if sub else 2352))
        for track in layout.tracks:
            yield from _write_track(job, track, output, stack, sub=sub)
        output.finish()
        toc = Output(target, options, stack)
        toc.write_bytes(render(layout, binary.name, sub=sub).encode("utf-8", "surrogateescape"))
        toc.write_bytes(_comment(origin.kept_sheet).encode())
        written = publish([output, toc])
    return WrittenImage(
        target,
        "toc",
        (written[1], written[0]),
        tuple(job.digests),
        (*_left_out(layout), *origin.not_kept()),
        job.bad.ranges(),
    )


def _comment(kept: KeptSheet | None) -> str:
    """The cue sheet that the source came with, in lines that cdrdao passes over."""
    lines = [] if kept is None else [f"{COMMENT}{line}\n" for line in text_lines(kept)]
    return "".join(["\n", *lines]) if lines else ""


def _check(layout: Layout, target: Path) -> None:
    refuse_other_media(layout, target)
    if len(layout.sessions) > 1:
        raise BadInput(
            f"The disc has {len(layout.sessions)} sessions, and a TOC of cdrdao holds one;"
            " write it as .cue or .ccd."
        )
    if any(char in target.name for char in '"\\\r\n'):
        raise BadInput(f"{target}: a TOC cannot name files with quotes or line ends in them.")


def _write_track(
    job: RawTracks, track: Track, output: Output, stack: ExitStack, *, sub: bool
) -> Iterator[Progress]:
    for block in job.blocks(track, track.stored_range, stack):
        rows = block.swapped() if track.mode is TrackMode.AUDIO else block.raw
        output.write(np.concatenate((rows, block.sub_or_zeros()), axis=1) if sub else rows)
        yield job.progress(track)


def _left_out(layout: Layout) -> Iterator[str]:
    first = layout.tracks[0].number
    if first != 1:
        yield f"that the tracks count from {first}: a TOC counts from 1"
    yield from bad_codes(layout)
    for track in layout.tracks:
        if track.index1 == track.start and track.indexes[0].number == 0:
            yield f"the INDEX 00 of track {track.number}, which has no length"
    if layout.cd_text is not None:
        texts = Rendered(layout.cd_text, first)
        if not texts.held(layout.cd_text, len(layout.tracks)):
            yield "the CD-Text packs as they are: a TOC holds their texts"
