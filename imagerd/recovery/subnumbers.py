# SPDX-License-Identifier: Apache-2.0
"""MCN and ISRCs out of Q, by majority, with what speaks for them (ECMA-130, 22.3.4; ISO 3901).

Only frames with a right CRC vote. Where they do not agree as a whole they do so by character, if
most frames share each one. A media catalogue number is an EAN-13 and has a check digit; an ISRC has
none, but a form: two letters, three letters or digits, seven digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from imagerd.disc.layout import Layout
from imagerd.sectors.subchannel import Q, QIsrc, QMcn, parse_q

_ENOUGH = 2  # frames that must agree
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


class NumberTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number as Q and the drive tell it. `track` None: the disc's media catalogue number.

    `votes` of `frames` frames say `q` as a whole (0: it was put together by characters); `sound`:
    its check digit or its form is right. `used` is what the layout holds.
    """

    track: int | None
    q: str | None
    drive: str | None
    used: str | None
    votes: int
    frames: int
    sound: bool


def number_told(
    told: Counter[str], known: str | None, track: int | None = None
) -> NumberTold | None:
    """What to make of what frames told and what the drive knows; None if neither says anything.

    Q is followed where enough frames agree, and before the drive, which has read as little as one.
    """
    if not told and known is None:
        return None
    best, votes = _majority(told)
    sound = best is not None and (mcn_sound(best) if track is None else isrc_sound(best))
    if best is not None and votes == 0 and not sound:
        best = None  # no frame says so, and nothing else speaks for it
    used = known if best is None else best
    return NumberTold(track, best, known, used, votes, told.total(), sound)


def _majority(told: Counter[str]) -> tuple[str | None, int]:
    """The number that most frames tell, and how many; (…, 0) if only most of each character."""
    if told.total() < _ENOUGH:
        return None, 0
    whole, votes = told.most_common(1)[0]
    if votes >= _ENOUGH and votes * 2 > told.total():
        return whole, votes
    made = ""
    for place in range(len(whole)):
        characters: Counter[str] = Counter()
        for number, count in told.items():
            characters[number[place]] += count
        character, share = characters.most_common(1)[0]
        if share < _ENOUGH or share * 2 <= told.total():
            return None, 0
        made += character
    return made, 0


def mcn_sound(mcn: str) -> bool:
    """Whether the check digit of an EAN-13 is right."""
    if len(mcn) != 13 or not (mcn.isascii() and mcn.isdigit()):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(mcn)) % 10 == 0


def isrc_sound(isrc: str) -> bool:
    """Whether it has the form of an ISRC."""
    return _ISRC.fullmatch(isrc) is not None


def numbers_told(layout: Layout, others: Iterable[tuple[int, bytes]]) -> tuple[NumberTold, ...]:
    """Of frames of ADR 2 and 3 with the LBAs that they were read at: the MCN, then the ISRCs."""
    mcns: Counter[str] = Counter()
    isrcs: dict[int, Counter[str]] = {}
    for lba, raw in others:
        entry = parse_q(raw[:Q])
        if isinstance(entry, QMcn) and entry.mcn.strip("0"):
            mcns[entry.mcn] += 1
        elif isinstance(entry, QIsrc) and entry.isrc.strip("0"):
            track = layout.track_at(lba)
            if track is not None:
                isrcs.setdefault(track.number, Counter())[entry.isrc] += 1
    found = [number_told(mcns, layout.mcn)]
    found += [number_told(isrcs.get(t.number, Counter()), t.isrc, t.number) for t in layout.tracks]
    return tuple(number for number in found if number is not None)


def findings_on(numbers: Sequence[NumberTold]) -> list[str]:
    """Sentences on numbers that are contradicted, put together, or unlikely."""
    found = []
    for number in numbers:
        what = "media catalogue number" if number.track is None else f"ISRC of track {number.track}"
        if number.q is not None and number.drive is not None and number.q != number.drive:
            found.append(
                f"Q tells the {what} as {number.q}, the drive told {number.drive}; Q is followed."
            )
        if number.q is not None and number.votes == 0:
            found.append(f"The {what} was put together of frames that differ: {number.q}.")
        if number.q is not None and not number.sound:
            wrong = "check digit" if number.track is None else "form"
            found.append(f"The {wrong} of the {what}, {number.q}, is wrong; it stands on the disc.")
    return found
