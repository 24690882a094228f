# SPDX-License-Identifier: Apache-2.0
"""All that the form asks and an image can tell, gathered in one pass over its sectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from imagerd.base.digests import Digests
from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.ids import cddb_id, musicbrainz_id
from imagerd.disc.layout import DiscType, Layout, SectorFormat, Track, TrackMode
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.ranges import Extent
from imagerd.disc.source import SectorSource
from imagerd.formats.cue.render import render, stored_raw
from imagerd.formats.cue.writing import sheet_files
from imagerd.recovery.oddq import OddQ
from imagerd.recovery.protection.facts import Facts as DiscFacts
from imagerd.recovery.protection.subchannel import libcrypt, securom
from imagerd.sectors.views import RawView
from imagerd.toolkit.hashing import hash_source
from imagerd.toolkit.submission.tap import MOST_FRAMES, OddFrame, Tap, unread_gaps
from imagerd.toolkit.submission.volume import VolumeFacts, volume_facts


@dataclass(frozen=True, slots=True)
class Rom:
    """A line of the DAT."""

    name: str
    digests: Digests


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of the disc beside its sectors. `name` is the image's, without suffix.

    `corrected`: the read offset that was taken out of its audio; `write_offset`: the disc's, if
    somebody measured it. `drive` as vendor, product, revision; `made`: the day of the dump.
    `protections` by name.
    """

    name: str
    corrected: int | None = None
    write_offset: int | None = None
    drive: tuple[str, str, str] | None = None
    made: str | None = None
    protections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiscFound:
    """What was found out.

    `roms` in the order of the DAT. `errors`: data sectors that contradict themselves, None where
    nothing can tell; `form2_edc`: whether mode 2 form 2 sectors have an EDC, None without any.
    `universal`: see `SoundHash`; `frames`: Q with a wrong CRC, () where there are too many for a
    protection. `caveats`: sentences on what is not as redump.org wants it.
    """

    layout: Layout
    roms: tuple[Rom, ...]
    cue: str | None
    volume: VolumeFacts
    lost: Extent
    doubtful: Extent
    wrong: Extent
    errors: int | None
    form2_edc: bool | None
    universal: str | None
    frames: tuple[OddFrame, ...]
    protections: tuple[str, ...]
    musicbrainz: str | None
    cddb: str | None
    caveats: tuple[str, ...]


def find_out(source: SectorSource, question: Question) -> Task[DiscFound]:
    """Read `source` once, from its first sector to its last; memory stays the same.

    Raises `BadInput` for a CD with more sectors than there are addresses.
    """
    layout = source.layout
    if layout.is_cd and layout.end > LBA_MAX + 1:
        raise BadInput(f"The disc ends at LBA {layout.end}; a CD has addresses up to {LBA_MAX}.")
    tap = Tap(RawView(source), layout)
    hashes = yield from hash_source(tap)
    names = _names(layout, question.name)
    roms = tuple(Rom(name, track.digests) for name, track in zip(names, hashes.tracks, strict=True))
    checked = layout.is_cd and any(_is_raw_data(track) for track in layout.tracks)
    audio = layout.is_cd and any(not track.is_data for track in layout.tracks)
    frames = tuple(tap.frames) if tap.frames_wrong <= MOST_FRAMES else ()
    universal, remark = _universal(tap, question)
    return DiscFound(
        layout=layout,
        roms=roms,
        cue=_cue(layout, question.name) if layout.is_cd else None,
        volume=volume_facts(source),
        lost=tap.lost,
        doubtful=tap.doubtful,
        wrong=tap.wrong,
        errors=tap.wrong.count + tap.lost.count if checked else None,
        form2_edc=tap.form2_edc * 2 > tap.form2 if tap.form2 else None,
        universal=universal,
        frames=frames,
        protections=_protections(layout, frames, question),
        musicbrainz=musicbrainz_id(layout) if audio else None,
        cddb=cddb_id(layout) if audio else None,
        caveats=(*_caveats(tap, layout, question), *remark),
    )


def _names(layout: Layout, name: str) -> list[str]:
    """As Redump calls the files of a disc."""
    if not layout.is_cd:
        return [f"{name}.iso"]
    files = sheet_files(layout, Path(f"{name}.cue"), split=True)
    return [file.name for file in files]


def _is_raw_data(track: Track) -> bool:
    return track.is_data and track.stored in (SectorFormat.RAW, SectorFormat.RAW_SUB)


def _cue(layout: Layout, name: str) -> str:
    """The sheet with one file a track. Redump has no word for the disc's type in it."""
    xa = any(track.mode is TrackMode.MODE2 for track in layout.tracks)
    usual = DiscType.XA if xa else DiscType.CDDA_OR_ROM
    shown = stored_raw(replace(layout, disc_type=usual))
    return render(shown, sheet_files(shown, Path(f"{name}.cue"), split=True), None)


def _universal(tap: Tap, question: Question) -> tuple[str | None, tuple[str, ...]]:
    """The hash of the sound, if all of it was read; and what is to be said of it."""
    if tap.sound is None:
        return None, ()
    gaps = any(unread_gaps(tap.layout.tracks))
    if tap.lost or tap.doubtful or len(tap.layout.sessions) > 1 or gaps:
        return None, ("The universal hash needs all samples of one session.",)
    moved = question.corrected or 0
    cut = tap.sound.lead <= max(-moved, 0) or tap.sound.tail <= max(moved, 0)
    if tap.sound.began and cut:
        return tap.sound.hexdigest(), (
            "The universal hash may lack samples: the sound reaches the edge of what was read.",
        )
    return tap.sound.hexdigest(), ()


def _protections(
    layout: Layout, frames: tuple[OddFrame, ...], question: Question
) -> tuple[str, ...]:
    """What is known already, and what Q tells."""
    odd = tuple(OddQ(frame.lba, frame.q) for frame in frames)
    facts = DiscFacts(layout=layout, odd_q=odd)
    found = [finding.name for ask in (libcrypt, securom) if (finding := ask(facts)) is not None]
    return tuple(dict.fromkeys((*question.protections, *found)))


def _caveats(tap: Tap, layout: Layout, question: Question) -> Iterator[str]:
    if tap.lost or tap.doubtful:
        yield (
            f"{tap.lost.count} sectors could not be read and {tap.doubtful.count} may be wrong: the"
            " digests are of filling there. Such a dump is not to be submitted."
        )
    for track in unread_gaps(layout.tracks):
        yield f"The digests of track {track.number} lack its gap, which the image does not hold."
    if not layout.is_cd:
        return
    for track in layout.tracks:
        if track.is_data and not _is_raw_data(track):
            yield (
                f"The raw sectors of track {track.number} were generated out of"
                f" {track.stored.size} bytes each: they are right only if the disc had no oddities."
            )
    audio = any(not track.is_data for track in layout.tracks)
    if audio and question.corrected is None:
        yield "The audio may hold the drive's read offset: its digests are then not the disc's."
    elif audio and question.corrected:
        yield (
            f"The drive's read offset of {question.corrected:+d} samples was taken out of the"
            " audio; samples beyond its edges are silence."
        )
    if audio and question.write_offset is None:
        yield (
            "The disc's write offset is not known and not taken out of the audio, as redump.org"
            " wants it."
        )
    elif audio and question.write_offset:
        yield "The write offset was given, but the audio is not moved by it."
    if not tap.frames_known:
        yield "No subchannel was kept: pauses, indexes, MCN and ISRCs are as the image has them."
    if tap.frames_wrong > MOST_FRAMES:
        yield f"{tap.frames_wrong} frames of Q have a wrong CRC, too many to be a protection."
