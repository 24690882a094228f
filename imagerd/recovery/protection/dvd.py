# SPDX-License-Identifier: Apache-2.0
"""Protections of DVD-Video: islands of unreadable sectors where no player goes.

Players follow the programs in the .IFO files; programs that copy files read all of the .VOB files.
So what is unreadable and never played may be meant, and what is unreadable and played is damage.
"""

from __future__ import annotations

from imagerd.disc.layout import Medium
from imagerd.recovery.protection.facts import TRIED, Confidence, Facts, Finding
from imagerd.recovery.sectormap import RangeSet

_RIPGUARD = b"MVSNRGFP"  # Macrovision, RipGuard, fingerprint
_RIPGUARD_FILES = ("RGASDEV.SYS",)
_ISLANDS, _LONG = 4, 100  # at least so many of at least so many sectors: more than a turn
_BLOCK = 16  # sectors of an error-correction block: no shorter one is meant
_RATIO = 20  # how much denser what is not played is than what is
_BASIS = (
    "That the islands lie where players do not go is how these protections are commonly described;"
    " their lengths are as users of DiscImageCreator report them. How the programs of the disc hide"
    " them is not documented: where a program names them, they count as damage."
)


def ripguard(facts: Facts) -> Finding | None:
    """RipGuard: its mark in the volume descriptor or its file."""
    evidence = []
    if facts.application_use.startswith(_RIPGUARD):
        evidence.append("The primary volume descriptor has MVSNRGFP in its application use.")
    evidence += [
        f"There is a file {file.path}."
        for name in _RIPGUARD_FILES
        for file in facts.files.named(name)
    ]
    if not evidence or facts.layout.medium is not Medium.DVD:
        return None
    islands = _islands(facts)
    evidence.append(_told(islands) if islands else _unclear(facts))
    basis = f"The mark as DiscImageCreator and users of redumper have it. {_BASIS}"
    return Finding("RipGuard", Confidence.CERTAIN, tuple(evidence), basis, islands)


def arccos(facts: Facts) -> Finding | None:
    """ARccOS, or another of its kind: islands that nothing plays, and no mark."""
    if facts.layout.medium is not Medium.DVD or ripguard(facts) is not None:
        return None
    islands = _islands(facts)
    bogus = [
        f"{file.path} claims {file.outside} sectors that are not on the disc."
        for file in facts.files.files
        if file.outside and file.path.casefold().startswith("video_ts/")
    ]
    if islands:
        evidence = (_told(islands), *bogus[:5])
        return Finding("ARccOS or alike", Confidence.LIKELY, evidence, _BASIS, islands)
    if bogus and _any_bad(facts):
        evidence = (_unclear(facts), *bogus[:5])
        return Finding("ARccOS or alike", Confidence.POSSIBLE, evidence, _BASIS)
    return None


def _islands(facts: Facts) -> tuple[range, ...]:
    """Unreadable stretches in .VOB files that nothing plays; none if a scratch explains them too.

    A scratch takes some blocks of each turn, and takes what is played as well.
    """
    vobs = RangeSet(
        extent
        for file in facts.files.files
        if file.path.casefold().startswith("video_ts/") and file.path.upper().endswith(".VOB")
        for extent in file.extents
    )
    plays = RangeSet(facts.played or ())
    unplayed = len(RangeSet((*vobs, *plays))) - len(plays)
    if not len(plays) or len(plays) < unplayed:
        return ()
    found = [bad for vob in vobs for bad in facts.bad.within(vob) if len(bad) >= _BLOCK]
    islands = tuple(bad for bad in found if not _plays(plays, bad))
    meant = sum(map(len, islands))
    hurt = sum(facts.bad.count(area) for area in plays)
    if sum(len(island) >= _LONG for island in islands) < _ISLANDS:
        return ()
    return islands if meant * len(plays) >= _RATIO * hurt * unplayed else ()


def _plays(plays: RangeSet, bad: range) -> bool:
    return any(area.start < bad.stop and bad.start < area.stop for area in plays)


def _told(islands: tuple[range, ...]) -> str:
    return (
        f"{len(islands)} unreadable stretches with {sum(map(len, islands))} sectors, the first from"
        f" LBA {islands[0].start} to {islands[0].stop - 1}, lie in .VOB files where no program of"
        " the disc plays anything, and what is played reads well."
    )


def _unclear(facts: Facts) -> str:
    if not _any_bad(facts):
        return "No sector is bad."
    return "What is bad is played, or it cannot be told: all counts as damage."


def _any_bad(facts: Facts) -> bool:
    return facts.bad.count(range(facts.layout.start, facts.layout.end), TRIED) > 0
