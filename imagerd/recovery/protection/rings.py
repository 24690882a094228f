# SPDX-License-Identifier: Apache-2.0
"""Protections of data CDs that are known by a file, with bad sectors in or behind it.

Which sectors are meant is said only where the damage keeps to them. Else the finding says which
protection there is, and every bad sector stays one to be retried.
"""

from __future__ import annotations

from imagerd.filesystems.gathering import Entry, Kind
from imagerd.recovery.protection.contrast import confined, scattered, solid
from imagerd.recovery.protection.facts import Confidence, Facts, Finding

_GAP, _GAP_LITE = 10_000, 1500  # sectors behind the file at most
_LEAST_SAFEDISC = 64
_LEAST_RING = 100
_LEAST_DATEL = 32
_DATEL_FIRST, _DATEL_END, _DATEL_SURE = 23, 5000, 50
_DATEL = ("DATA.DAT", "BIG.DAT", "DUMMY.ZIP")

_UNCLEAR = "The bad sectors do not keep to where this protection has them; all count as damage."
_MISSING = "Not all directories can be read, so files may lie there: all count as damage."
_NONE_BAD = "No sector is bad where this protection has bad ones."


def safedisc(facts: Facts) -> Finding | None:
    """SafeDisc and SafeDisc Lite: bad sectors strewn over the gap behind a file in the root."""
    for name, most, title in (
        ("00000001.TMP", _GAP, "SafeDisc"),
        ("00000001.LT1", _GAP_LITE, "SafeDisc Lite"),
    ):
        file = facts.files.find(name)
        if file is None or not facts.layout.is_cd or not file.extents:
            continue
        begin = file.extents[-1].stop
        behind = facts.files.next_start(begin)
        end = min(begin + most, facts.layout.end if behind is None else behind)
        gap = range(begin, max(begin, end))
        basis = (
            "The file and the gap as redumper and DiscImageCreator have them, checked by their"
            " users on many discs; that the errors lie singly and all over the gap is our demand."
        )
        evidence = [f"The root directory has a file {name}."]
        if gap:
            found = facts.bad.within(gap)
            evidence.append(
                f"Of the {len(gap)} sectors from LBA {gap.start} to {gap.stop - 1}, which belong to"
                f" no file, {sum(map(len, found))} are bad."
            )
            meant = confined(facts, gap, least=_LEAST_SAFEDISC) and scattered(facts, gap)
            if meant and facts.files.complete:
                return Finding(title, Confidence.CERTAIN, tuple(evidence), basis, found)
            evidence.append(_MISSING if meant else _UNCLEAR if found else _NONE_BAD)
        return Finding(title, Confidence.LIKELY, tuple(evidence), basis)
    return None


def laserlock(facts: Facts) -> Finding | None:
    """LaserLock: a ring of unreadable sectors, which a file LASERLOK.IN covers."""
    basis = "The file as DiscImageCreator has it, which takes all of it for the ring."
    return _ring(facts, "LASERLOK.IN", "LaserLock", basis)


def ringprotect(facts: Facts) -> Finding | None:
    """Ring PROTECH (ProRing): a ring of unreadable sectors under PROTECT.PRO."""
    basis = "The file as DiscImageCreator and BinaryObjectScanner have it; few discs are known."
    return _ring(facts, "PROTECT.PRO", "Ring PROTECH", basis)


def smarte(facts: Facts) -> Finding | None:
    """SmartE: unreadable sectors under 00002.TMP."""
    return _ring(facts, "00002.TMP", "SmartE", "The file as DiscImageCreator has it.")


def _ring(facts: Facts, name: str, title: str, basis: str) -> Finding | None:
    for file in facts.files.named(name):
        evidence = [f"There is a file {file.path}."]
        for extent in file.extents:
            found = facts.bad.within(extent)
            evidence.append(
                f"Of its {len(extent)} sectors, LBA {extent.start} to {extent.stop - 1},"
                f" {sum(map(len, found))} are bad."
            )
            # A ruin of a small part of it may be a scratch.
            least = max(_LEAST_RING, len(extent) // 2)
            if confined(facts, extent, least=least) and solid(facts, extent):
                whole = sum(map(len, found)) * 10 >= len(extent) * 9
                sure = Confidence.CERTAIN if whole else Confidence.LIKELY
                return Finding(title, sure, tuple(evidence), basis, found)
        bad = any(facts.bad.within(extent) for extent in file.extents)
        evidence.append(_UNCLEAR if bad else _NONE_BAD)
        return Finding(title, Confidence.LIKELY, tuple(evidence), basis)
    return None


def codelock(facts: Facts) -> Finding | None:
    """CodeLock: bad sectors between the volume descriptors and the path table."""
    marked = _with_section(facts, "icd1")
    if not marked:
        return None
    basis = (
        "The section and the place as DiscImageCreator has them; how many sectors are bad there"
        " is not known to us."
    )
    evidence = [f"{marked[0]} has a section icd1."]
    gap = _behind_descriptors(facts)
    if not gap:
        return Finding("CodeLock", Confidence.LIKELY, tuple(evidence), basis)
    found = facts.bad.within(gap)
    evidence.append(
        f"Of the {len(gap)} sectors from LBA {gap.start} to {gap.stop - 1}, between the volume"
        f" descriptors and the path table, {sum(map(len, found))} are bad."
    )
    meant = confined(facts, gap, least=max(len(gap) // 4, 8))
    if meant and facts.files.complete:
        return Finding("CodeLock", Confidence.LIKELY, tuple(evidence), basis, found)
    evidence.append(_MISSING if meant else _UNCLEAR if found else _NONE_BAD)
    return Finding("CodeLock", Confidence.LIKELY, tuple(evidence), basis)


def _behind_descriptors(facts: Facts) -> range:
    last = [e for e in _structures(facts) if "descriptor" in e.path or e.path == "boot record"]
    if not last:
        return range(0)
    begin = max(entry.extents[0].stop for entry in last)
    table = facts.files.next_start(begin)
    return range(begin, begin if table is None else table)


def _structures(facts: Facts) -> list[Entry]:
    return [entry for entry in facts.files.entries if entry.kind is Kind.STRUCTURE]


def protectcd(facts: Facts) -> Finding | None:
    """ProtectCD-VOB: known by its programs; where its bad sectors lie is not."""
    evidence = [f"{path} has a section .vob.pcd." for path in _with_section(facts, ".vob.pcd")]
    evidence += [f"There is a file {file.path}." for file in facts.files.named("VOB-PCD.KEY")]
    if not evidence:
        return None
    basis = (
        "The section as DiscImageCreator and BinaryObjectScanner have it. Where its bad sectors"
        " lie is not known to us: all count as damage."
    )
    return Finding("ProtectCD-VOB", Confidence.LIKELY, tuple(evidence[:5]), basis)


def _with_section(facts: Facts, name: str) -> list[str]:
    return [path for path, sections in facts.programs if name in sections]


def datel(facts: Facts) -> Finding | None:
    """Datel's discs for the PlayStation 2: a stretch of C2 errors in a file that fills the disc."""
    layout = facts.layout
    if not layout.is_cd or len(layout.tracks) != 1 or not layout.tracks[0].is_data:
        return None
    for name in _DATEL:
        file = facts.files.find(name)
        if file is None or not file.extents or file.extents[0].start != _DATEL_FIRST:
            continue
        extent = file.extents[0]
        area = range(extent.start, min(extent.stop, _DATEL_END))
        found = facts.bad.within(area)
        run = found[0] if found else range(0)
        basis = (
            "The file, its place and the stretch as redumper has them. The stretch must be one and"
            " end within the file; one that holds LBA 50 is as seen on real discs."
        )
        evidence = [f"The file {name} is the first one, at LBA {_DATEL_FIRST}."]
        # Only where it stands alone: with more damage around, nobody can tell.
        if len(found) == 1 and len(run) >= _LEAST_DATEL and run.stop < extent.stop:
            evidence.append(f"LBA {run.start} to {run.stop - 1} are bad, all in a row.")
            sure = Confidence.CERTAIN if _DATEL_SURE in run else Confidence.LIKELY
            return Finding("Datel", sure, tuple(evidence), basis, (run,))
        evidence.append(_UNCLEAR if found else _NONE_BAD)
        return Finding("Datel", Confidence.POSSIBLE, tuple(evidence), basis)
    return None
