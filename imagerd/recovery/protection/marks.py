# SPDX-License-Identifier: Apache-2.0
"""Protections known by their files or sessions, of which no sector can be named as made bad."""

from __future__ import annotations

from collections.abc import Iterable

from imagerd.disc.layout import Layout, Session
from imagerd.recovery.protection.facts import TRIED, Confidence, Facts, Finding

_CATALOGUE = "The names as BinaryObjectScanner has them, each from discs that were looked at."
_TAGES = (
    ("Devx.sys", "VtPr.sys"),
    ("Tamlx.alf", "Tamlx.apt"),
    ("enodpl.sys", "tandpl.sys"),
    ("hwpsgt.sys", "lemsgt.sys"),
    ("ithsgt.sys", "lilsgt.sys"),
    ("atksgt.sys", "lirsgt.sys"),
)
_CACTUS = ("YUCCA.CDS", "CACTUSPJ.EXE", "CDSPlayer.app", "__CDS.exe")
_COPS = ("CDCOPS.DLL", "cdcode.key", "dvdcode.key")
_COPS_ENDINGS = (".W_X", ".QZ_", ".GZ_")
_ENOUGH_TWINS = 2
_WELL = 1000  # one sector of so many may be bad where a track reads well


def cdcops(facts: Facts) -> Finding | None:
    """CD-Cops: measures angles between sectors; all sectors are good."""
    basis = f"{_CATALOGUE} It measures where sectors lie on the disc, which no image holds."
    if there := _present(facts, _COPS):
        return Finding("CD-Cops", Confidence.CERTAIN, _files(there), basis)
    odd = [f.path for f in facts.files.files if f.path.endswith(_COPS_ENDINGS)]
    if odd:
        return Finding("CD-Cops", Confidence.POSSIBLE, _files(odd), basis)
    return None


def tages(facts: Facts) -> Finding | None:
    """Tages: twin sectors, whose content depends on where the head comes from."""
    basis = (
        f"{_CATALOGUE} Its twin sectors show only when a forward and a backward reading are"
        " compared, as DiscImageCreator does; that both must prove themselves is our demand. An"
        " image holds one of the two."
    )
    if len(facts.twins) >= _ENOUGH_TWINS:
        twins = (
            f"{len(facts.twins)} sectors, the first at LBA {facts.twins[0]}, have two contents,"
            " both with a right EDC: one when read upward, another when the head comes from"
            " behind.",
        )
        return Finding("Tages", Confidence.CERTAIN, twins, basis)
    for names in _TAGES:
        there = _present(facts, names)
        if len({path.rpartition("/")[2].casefold() for path in there}) == len(names):
            return Finding("Tages", Confidence.LIKELY, _files(there), basis)
    return None


def cactus(facts: Facts) -> Finding | None:
    """Cactus Data Shield: audio with errors that are meant, and a data session of its player."""
    there = _present(facts, _CACTUS)
    if not there or not any(not track.is_data for track in facts.layout.tracks):
        return None
    basis = (
        f"{_CATALOGUE} Its errors in audio look like any others to us: all count as damage, and"
        " no reading will be without them."
    )
    return Finding("Cactus Data Shield", Confidence.LIKELY, _files(there), basis)


def dead_session(facts: Facts) -> Finding | None:
    """A data session behind audio of which nothing can be read, while all audio can."""
    session = _last_data_session(facts.layout)
    if session is None:
        return None
    area = range(session.start, session.lead_out)
    audio = [range(t.start, t.end) for t in facts.layout.tracks if not t.is_data]
    hurt = sum(map(facts.bad.count, audio)) * _WELL > sum(map(len, audio))
    if hurt or facts.bad.count(area, TRIED) < len(area):
        return None
    evidence = (
        f"Session {session.number}, LBA {area.start} to {area.stop - 1}, is data, and no sector of"
        " it can be read.",
        "The audio before it reads well.",
    )
    basis = (
        "Cactus Data Shield 100 and key2audio have such sessions, by descriptions only. Damage at"
        " the outer edge may look the same: all count as damage."
    )
    name = "A data session that may be a fake"
    return Finding(name, Confidence.POSSIBLE, evidence, basis)


def _last_data_session(layout: Layout) -> Session | None:
    last = layout.sessions[-1]
    before = [track for session in layout.sessions[:-1] for track in session.tracks]
    audio_first = bool(before) and all(not track.is_data for track in before)
    return last if audio_first and all(track.is_data for track in last.tracks) else None


def _present(facts: Facts, names: Iterable[str]) -> list[str]:
    return [file.path for name in names for file in facts.files.named(name)]


def _files(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"There is a file {path}." for path in list(paths)[:5])
