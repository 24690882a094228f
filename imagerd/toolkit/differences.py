# SPDX-License-Identifier: Apache-2.0
"""What differs between two layouts, as sentences.

What a table of contents tells decides: tracks, their numbers, sessions, kinds and starts, and the
lead-outs. Pregaps, and indexes from 02 on, decide only if both sides have any of them: a drive
tells none without its subchannel being read. The rest is only told, as not every container can
hold it (an .iso knows no ISRC) and not every reader asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imagerd.disc.layout import Control, Layout, SectorFormat, Track

_PREGAP = range(1)  # INDEX 00
_LATER = range(2, 100)
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
    for mine, its in pairs:
        deciding += _track_differences(mine, its, shift)
        details += _track_details(mine, its)
    deciding += _lead_outs(a, b, shift)
    for numbers in (_PREGAP, _LATER):
        decide = _knows(a, numbers) and _knows(b, numbers)
        for mine, its in pairs:
            (deciding if decide else details).extend(_index_differences(mine, its, shift, numbers))
    return Differences(tuple(deciding), tuple(details))


def _knows(layout: Layout, numbers: range) -> bool:
    """Whether the layout has such indexes at all: else it may just not know them."""
    return any(index.number in numbers for track in layout.tracks for index in track.indexes)


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


def _index_differences(mine: Track, its: Track, shift: int, numbers: range) -> Iterator[str]:
    if mine.stored in _COOKED or its.stored in _COOKED:
        return
    left = {index.number: index.lba for index in mine.indexes if index.number in numbers}
    right = {index.number: index.lba - shift for index in its.indexes if index.number in numbers}
    for number in sorted(left.keys() | right.keys()):
        name = f"Track {mine.number} has its INDEX {number:02}"
        if number not in right:
            yield f"{name} (at LBA {left[number]}) only in the first."
        elif number not in left:
            yield f"{name} (at LBA {right[number]}) only in the second."
        elif left[number] != right[number]:
            yield _both(f"{name} at LBA", left[number], right[number])


def _both(what: str, mine: object, its: object) -> str:
    left, right = ("none" if side in (None, "") else side for side in (mine, its))
    return f"{what} {left} in the first, {right} in the second."


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
