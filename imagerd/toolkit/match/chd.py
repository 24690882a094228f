# SPDX-License-Identifier: Apache-2.0
"""CHD files by the SHA-1 that their header tells: the digest that MAME's lists have of a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imagerd.toolkit.dat.records import Rom, Status
from imagerd.toolkit.match.records import Library, Listed
from imagerd.toolkit.match.results import Candidate, Fit, MatchResult, TrackFit, Verdict

SUFFIX: Final = ".chd"
_MAGIC: Final = b"MComprHD"
# Where the SHA-1 of data and metadata lies, by version (MAME, src/lib/util/chd.cpp).
_SHA1_AT: Final = {3: 80, 4: 48, 5: 84}
_SHA1: Final = 20


def header_sha1(path: Path) -> str | None:
    """The SHA-1 in the header, or None: no CHD, or one too old to have one. Raises `OSError`."""
    with path.open("rb") as stream:
        head = stream.read(128)
    at = _SHA1_AT.get(int.from_bytes(head[12:16], "big"))
    if not head.startswith(_MAGIC) or at is None or len(head) < at + _SHA1:
        return None
    digest = head[at : at + _SHA1]
    return digest.hex() if any(digest) else None


def match_header(sha1: str, library: Library) -> MatchResult:
    """The games with a disk of this SHA-1: NEAR, as a header claims and proves nothing."""
    found = tuple(
        _candidate(listed, rom)
        for listed in library.with_sha1(sha1)
        for rom in listed.game.roms
        if rom.sha1 == sha1 and rom.size is None
    )
    return MatchResult(Verdict.NEAR if found else Verdict.UNKNOWN, found)


def _candidate(listed: Listed, rom: Rom) -> Candidate:
    bad = rom.status is Status.BAD_DUMP
    fit = TrackFit(Fit.SAME, None, rom.name, "sha1", "the DAT calls it a bad dump" if bad else "")
    disks = len(listed.game.tracks)
    notes = ["its header claims the SHA-1 of this disk; whether it is, only its content could tell"]
    if disks > 1:
        notes.append(f"one of {disks} files of this title")
    return Candidate(
        name=listed.game.name,
        dat=listed.dat,
        publisher=listed.publisher,
        system=listed.system,
        version=listed.version,
        verdict=Verdict.NEAR,
        form="chd",
        tracks=(fit,),
        notes=tuple(notes),
    )
