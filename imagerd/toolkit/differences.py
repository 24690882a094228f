# SPDX-License-Identifier: Apache-2.0
"""What differs between two layouts, as sentences.

What a table of contents tells decides: tracks, their numbers, sessions, kinds and starts, and the
lead-outs. Pregaps and further indexes decide only if both sides know such things: a drive tells
none without its subchannel being read. The rest is only told, as not every container can hold it
(an .iso knows no ISRC) and not every reader asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imagerd.disc.layout import Control, Layout, SectorFormat, Track

_COOKED = (SectorFormat.USER, SectorFormat.USER_SUB)


@dataclass(frozen=True, slots=True)
class Differences:
    """`deciding` make two discs different; `details` do not."""

    deciding: tuple[str, ...]
    details: tuple[str, ...]


def layout_differences(a: Layout, b: Layout, shift: int) -> Differences:
    """Compare layouts; `shift` is what an address of `a` needs to become one of `b`.

    The track of an .iso is compared with the data track that it may be a copy of.
    """
    pairs, deciding = _pair(a, b, shift)
    details = list(_disc_details(a, b))
    indexes = [sentence for mine, its in pairs for sentence in _index_differences(mine, its, shift)]
    for mine, its in pairs:
        deciding += _track_differences(mine, its, shift)
        details += _track_details(mine, its)
    deciding += _lead_outs(a, b, shift)
    if _knows_indexes(a) and _knows_indexes(b):
        deciding += indexes
    else:
        details += indexes
    return Differences(tuple(deciding), tuple(details))


def _knows_indexes(layout: Layout) -> bool:
    """Whether anything is known beyond what the TOC tells; one track has nothing beyond it."""
    return len(layout.tracks) == 1 or any(len(track.indexes) > 1 for track in layout.tracks)


def _lead_outs(a: Layout, b: Layout, shift: int) -> Iterator[str]:
    """Sessions that end elsewhere; those of one side alone show as tracks of one side alone."""
    if len(a.tracks) != len(b.tracks):
        return
    for mine, its in zip(a.sessions, b.sessions, strict=False):
        if mine.lead_out != its.lead_out - shift:
            what = f"Session {mine.number} ends at LBA"
            yield _both(what, mine.lead_out, its.lead_out - shift)


def _pair(a: Layout, b: Layout, shift: int) -> tuple[list[tuple[Track, Track]], list[str]]:
    """Tracks that correspond, and sentences on those that do not."""
    by_start = {track.index1 - shift: track for track in b.tracks}
    pairs = [(track, by_start.pop(track.index1)) for track in a.tracks if track.index1 in by_start]
    matched = {mine.index1 for mine, _ in pairs}
    sentences = [
        f"Track {track.number} (at LBA {track.index1}) is only in the first."
        for track in a.tracks
        if track.index1 not in matched
    ]
    sentences += [
        f"Track {track.number} (at LBA {start}) is only in the second."
        for start, track in by_start.items()
    ]
    return pairs, sentences


def _track_differences(mine: Track, its: Track, shift: int) -> Iterator[str]:
    name = f"Track {mine.number}"
    if mine.number != its.number and shift == 0:
        yield _both(f"{name} has the number", mine.number, its.number)
    if mine.session != its.session and shift == 0:
        yield _both(f"{name} lies in session", mine.session, its.session)
    cooked = mine.stored in _COOKED or its.stored in _COOKED
    if mine.is_data != its.is_data or (mine.mode is not its.mode and not cooked):
        yield _both(f"{name} is", mine.mode, its.mode)


def _index_differences(mine: Track, its: Track, shift: int) -> Iterator[str]:
    if mine.stored in _COOKED or its.stored in _COOKED:
        return
    indexes = [(index.number, index.lba) for index in mine.indexes]
    others = [(index.number, index.lba - shift) for index in its.indexes]
    if indexes != others:
        yield _both(f"Track {mine.number} has the indexes", _indexes(indexes), _indexes(others))


def _both(what: str, mine: object, its: object) -> str:
    return f"{what} {mine or 'none'} in the first, {its or 'none'} in the second."


def _indexes(pairs: list[tuple[int, int]]) -> str:
    return ", ".join(f"{number:02} at {lba}" for number, lba in pairs)


def _track_details(mine: Track, its: Track) -> Iterator[str]:
    name = f"Track {mine.number}"
    if mine.isrc != its.isrc:
        yield _both(f"{name} has the ISRC", mine.isrc, its.isrc)
    if mine.control != its.control:
        yield _both(f"{name} has the flags", _flags(mine), _flags(its))


def _flags(track: Track) -> str:
    return "+".join(flag_names(track.control)) or "none"


def flag_names(control: Control) -> tuple[str, ...]:
    """The flags of a track in words."""
    words = {
        Control.DATA: "data",
        Control.COPY_PERMITTED: "copy permitted",
        Control.PRE_EMPHASIS: "pre-emphasis",
        Control.FOUR_CHANNEL: "four channels",
    }
    return tuple(word for flag, word in words.items() if control & flag)


def _disc_details(a: Layout, b: Layout) -> Iterator[str]:
    if a.medium is not b.medium:
        yield _both("The disc is taken for a", a.medium.upper(), b.medium.upper())
    if a.mcn != b.mcn:
        yield _both("The catalogue number (MCN) is", a.mcn, b.mcn)
    if (a.cd_text is None) != (b.cd_text is None):
        yield f"Only the {'first' if a.cd_text else 'second'} has CD-Text."
    elif a.cd_text and b.cd_text and a.cd_text.texts() != b.cd_text.texts():
        yield "Their CD-Texts differ."
