# SPDX-License-Identifier: Apache-2.0
"""Write a source as a Nero image, version 2, disc at once: one file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, SectorFormat, Session, Track, TrackMode
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import SectorSource
from imagerd.formats.codes import bad_codes, with_codes
from imagerd.formats.keptsheet import pack
from imagerd.formats.nrg.chunks import OURS, Chunk, render_chunks
from imagerd.formats.nrg.tables import (
    LEAD_OUT,
    MODES,
    CueRow,
    Dao,
    DaoTrack,
    render_cue,
    render_dao,
)
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawform import empty_sectors
from imagerd.formats.rawtracks import (
    RawBlock,
    RawTracks,
    all_stored,
    has_sub,
    refuse_other_media,
)
from imagerd.formats.written import WriteOptions, WrittenImage
from imagerd.sectors.subgen import Subchannel

_CD = 1


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the .nrg `target`; see `imagerd.formats.write_image`.

    The two seconds before each session, which the format wants, are made: silence or empty
    sectors. Where the source gives subchannel, it lies behind each sector.
    """
    _check(source.layout, target)
    refuse_all([target], options)
    origin = options.origin or Origin()
    kept = origin.kept_sheet
    stored = SectorFormat.RAW_SUB if has_sub(source) else SectorFormat.RAW
    layout = with_codes(all_stored(source.layout, stored))
    job = RawTracks(source, options, sum(track.end - track.start for track in layout.tracks))
    sectors = job.total + PREGAP * len(layout.sessions)
    with ExitStack() as stack:
        output = Output(target, options, stack, sectors * stored.size)
        for session in layout.sessions:
            _write_pregap(layout, session, output)
            for track in session.tracks:
                yield from _write_track(job, track, output, stack)
        ours = [] if kept is None else [Chunk(OURS, pack(kept))]
        output.write_bytes(render_chunks([*_chunks(layout), *ours], sectors * stored.size))
        written = publish([output])
    return WrittenImage(
        target,
        "nrg",
        written,
        tuple(job.digests),
        (*_left_out(source.layout), *origin.not_kept()),
        job.bad.ranges(),
    )


def _check(layout: Layout, target: Path) -> None:
    refuse_other_media(layout, target)
    for before, after in zip(layout.sessions, layout.sessions[1:], strict=False):
        if after.start - before.lead_out < PREGAP:
            raise BadInput(
                f"Session {after.number} begins {after.start - before.lead_out} sectors after the"
                f" one before; {target} needs {PREGAP} between them."
            )


def _write_pregap(layout: Layout, session: Session, output: Output) -> None:
    track = session.tracks[0]
    lba = session.start - PREGAP
    raw = empty_sectors(track.mode, SectorFormat.RAW, lba, PREGAP)
    if track.stored is SectorFormat.RAW:
        output.write(raw)
        return
    output.write(RawBlock(lba, raw, Subchannel(layout).read(lba, PREGAP)).with_sub())


def _write_track(
    job: RawTracks, track: Track, output: Output, stack: ExitStack
) -> Iterator[Progress]:
    for block in job.blocks(track, range(track.start, track.end), stack):
        output.write(block.raw if track.stored is SectorFormat.RAW else block.with_sub())
        yield job.progress(track)


def _chunks(layout: Layout) -> list[Chunk]:
    chunks: list[Chunk] = []
    offset = 0
    for session in layout.sessions:
        tracks = []
        for track in session.tracks:
            tracks.append(_dao_track(session, track, offset))
            offset = tracks[-1].end
        dao = Dao(layout.mcn or "", layout.disc_type.value, tuple(tracks))
        chunks.append(Chunk("CUEX", render_cue(list(_cue(session)))))
        chunks.append(Chunk("DAOX", render_dao(dao, session.tracks[0].number)))
        if layout.cd_text is not None and session is layout.sessions[0]:
            chunks.append(Chunk("CDTX", layout.cd_text.packs))
        chunks.append(Chunk("SINF", struct.pack(">I", len(session.tracks))))
    chunks.append(Chunk("MTYP", struct.pack(">I", _CD)))
    return chunks


def _cue(session: Session) -> Iterator[CueRow]:
    """Lead-in, INDEX 0 and the others of each track, lead-out."""
    first, last = session.tracks[0], session.tracks[-1]
    before = session.start - PREGAP
    yield CueRow(first.control, 0, 0, before)
    for track in session.tracks:
        yield CueRow(track.control, track.number, 0, before if track is first else track.start)
        for index in track.indexes:
            if index.number:
                yield CueRow(track.control, track.number, index.number, index.lba)
    yield CueRow(last.control, LEAD_OUT, 1, session.lead_out)


def _dao_track(session: Session, track: Track, offset: int) -> DaoTrack:
    mode = TrackMode.MODE1 if track.mode is TrackMode.MODE0 else track.mode
    code = next(code for code, entry in MODES.items() if entry == (mode, track.stored))
    pregap = track.pregap + (PREGAP if track is session.tracks[0] else 0)
    start = offset + pregap * track.stored.size
    end = start + (track.end - track.index1) * track.stored.size
    return DaoTrack(track.isrc or "", track.stored.size, code, offset, start, end)


def _left_out(layout: Layout) -> Iterator[str]:
    yield from bad_codes(layout)
    for track in layout.tracks:
        if track.index1 == track.start and track.indexes[0].number == 0:
            yield f"the INDEX 00 of track {track.number}, which has no length"
