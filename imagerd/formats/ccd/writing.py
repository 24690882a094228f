# SPDX-License-Identifier: Apache-2.0
"""Write a source as .ccd, .img and .sub; where it gives no subchannel, that is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from imagerd.base.progress import Progress, Task
from imagerd.disc.cdtext import PACK
from imagerd.disc.layout import Control, Layout, Session, Track, TrackMode
from imagerd.disc.msf import PREGAP, Msf
from imagerd.disc.source import SectorSource
from imagerd.formats.ccd.table import FIRST, LAST, LEAD_OUT, NEXT, OURS
from imagerd.formats.codes import bad_codes, with_codes
from imagerd.formats.keptsheet import KeptSheet, text_lines
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, publish, refuse_all
from imagerd.formats.rawtracks import RawTracks, all_stored, has_sub, refuse_other_media
from imagerd.formats.written import WriteOptions, WrittenImage
from imagerd.sectors.geometry import SUB
from imagerd.sectors.subchannel import deinterleave
from imagerd.sectors.subgen import Subchannel

_RAW = 2352
_MODES = {TrackMode.AUDIO: 0, TrackMode.MODE0: 1, TrackMode.MODE1: 1, TrackMode.MODE2: 2}


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the .ccd `target`; see `imagerd.formats.write_image`."""
    refuse_other_media(source.layout, target)
    layout = with_codes(all_stored(source.layout))
    origin = options.origin or Origin()
    paths = [target.with_suffix(suffix) for suffix in (".img", ".sub")]
    refuse_all([target, *paths], options)
    made = None if has_sub(source) else Subchannel(layout)
    job = RawTracks(source, options, sum(track.end - track.start for track in layout.tracks))
    with ExitStack() as stack:
        image = Output(paths[0], options, stack, job.total * _RAW)
        sub = Output(paths[1], options, stack, job.total * SUB)
        for track in layout.tracks:
            yield from _write_track(job, track, image, sub, made, stack)
        ccd = Output(target, options, stack)
        text = [*lines(layout), *_kept_lines(origin.kept_sheet)]
        ccd.write_bytes("".join(f"{line}\r\n" for line in text).encode("ascii"))
        written = publish([image, sub, ccd])
    return WrittenImage(
        target,
        "ccd",
        (written[2], *written[:2]),
        tuple(job.digests),
        (*_left_out(source.layout, made=made is not None), *origin.not_kept()),
        job.bad.ranges(),
    )


def _write_track(
    job: RawTracks,
    track: Track,
    image: Output,
    sub: Output,
    made: Subchannel | None,
    stack: ExitStack,
) -> Iterator[Progress]:
    for block in job.blocks(track, range(track.start, track.end), stack):
        image.write(block.raw)
        channels = block.sub_or_zeros() if made is None else made.read(block.lba, len(block.raw))
        sub.write(deinterleave(channels))
        yield job.progress(track)


def _left_out(layout: Layout, *, made: bool) -> Iterator[str]:
    if made:
        yield "the disc's subchannel: the source has none, and the .sub was made from the layout"
    yield from bad_codes(layout)
    if layout.cd_text is not None and layout.cd_text.bad_packs():
        yield "the wrong CRCs of CD-Text: a .ccd holds packs without their CRC"


# -- the table ------------------------------------------------------------------------------------


def lines(layout: Layout) -> Iterator[str]:
    """The lines of the .ccd of a `layout` that is stored whole."""
    entries = [entry for session in layout.sessions for entry in _entries(layout, session)]
    packs = layout.cd_text.packs if layout.cd_text is not None else b""
    yield from ("[CloneCD]", "Version=3", "[Disc]", f"TocEntries={len(entries)}")
    yield f"Sessions={len(layout.sessions)}"
    yield from ("DataTracksScrambled=0", f"CDTextLength={len(packs)}")
    if layout.mcn is not None:
        yield f"CATALOG={layout.mcn}"
    if packs:
        yield from ("[CDText]", f"Entries={len(packs) // PACK}")
        for number in range(len(packs) // PACK):
            yield f"Entry {number}={packs[number * PACK :][: PACK - 2].hex(' ')}"
    for session in layout.sessions:
        yield f"[Session {session.number}]"
        yield f"PreGapMode={_MODES[session.tracks[0].mode]}"
        yield "PreGapSubC=0"
    for number, entry in enumerate(entries):
        yield f"[Entry {number}]"
        yield from entry
    for track in layout.tracks:
        yield f"[TRACK {track.number}]"
        yield f"MODE={_MODES[track.mode]}"
        if track.isrc is not None:
            yield f"ISRC={track.isrc}"
        for index in track.indexes:
            yield f"INDEX {index.number}={index.lba}"


def _kept_lines(kept: KeptSheet | None) -> Iterator[str]:
    """The cue sheet that the source came with, in a section that others do not know."""
    if kept is not None:
        yield f"[{OURS}]"
        yield from (f"Sheet {number}={line}" for number, line in enumerate(text_lines(kept)))


def _entries(layout: Layout, session: Session) -> Iterator[list[str]]:
    """A0–A2 and the tracks of a session; B0 where another one follows."""
    first, last = session.tracks[0], session.tracks[-1]
    number = session.number
    kind = layout.disc_type.value
    yield _entry(number, FIRST, first.control, Msf(first.number, 0, 0), second=kind)
    yield _entry(number, LAST, last.control, Msf(last.number, 0, 0))
    yield _entry(number, LEAD_OUT, last.control, Msf.from_lba(session.lead_out))
    for track in session.tracks:
        yield _entry(number, track.number, track.control, Msf.from_lba(track.index1))
    after = [other for other in layout.sessions if other.number > number]
    if after:
        # Where the next program area begins, and the last lead-out that the disc has.
        begin = Msf.from_lba(max(session.lead_out, after[0].start - PREGAP))
        yield _entry(number, NEXT, last.control, Msf.from_lba(layout.end), adr=5, a=begin, zero=2)


def _entry(
    session: int,
    point: int,
    control: Control,
    p: Msf,
    *,
    second: int | None = None,
    adr: int = 1,
    a: Msf | None = None,
    zero: int = 0,
) -> list[str]:
    a = a or Msf(0, 0, 0)
    second = p.second if second is None else second
    plba = (p.minute * 60 + second) * 75 + p.frame - PREGAP
    return [
        f"Session={session}",
        f"Point=0x{point:02x}",
        f"ADR=0x{adr:02x}",
        f"Control=0x{int(control):02x}",
        "TrackNo=0",
        f"AMin={a.minute}",
        f"ASec={a.second}",
        f"AFrame={a.frame}",
        f"ALBA={a.frames - PREGAP}",
        f"Zero={zero}",
        f"PMin={p.minute}",
        f"PSec={second}",
        f"PFrame={p.frame}",
        f"PLBA={plba}",
    ]
