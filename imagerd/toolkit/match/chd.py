# SPDX-License-Identifier: Apache-2.0
"""CHD files by the SHA-1 of their data and metadata, the digest that MAME's lists have of a disk.

Their header tells it, which is a claim; reading all of the file proves it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.formats import open_image
from imagerd.formats.image import SelfDigested
from imagerd.toolkit.dat.records import Rom, Status
from imagerd.toolkit.match.records import Library, Listed
from imagerd.toolkit.match.results import Candidate, Fit, TrackFit, Verdict

SUFFIX: Final = ".chd"
_MAGIC: Final = b"MComprHD"
# Where that SHA-1 lies, by version (MAME, src/lib/util/chd.cpp).
_SHA1_AT: Final = {3: 80, 4: 48, 5: 84}
_SHA1: Final = 20


def match_chd(path: Path, library: Library) -> Task[tuple[Candidate, ...]]:
    """The games with a disk of the SHA-1 in the header of `path`; () for what is no CHD.

    They are a MATCH if the content is what the header says, else NEAR. Raises `OSError`.
    """
    sha1 = header_sha1(path)
    if sha1 is None:
        return ()
    found = [
        (listed, rom)
        for listed in library.with_sha1(sha1)
        for rom in listed.game.roms
        if rom.sha1 == sha1 and rom.size is None
    ]
    if not found:
        return ()
    doubt = yield from _doubt(path, sha1)
    return tuple(_candidate(listed, rom, doubt) for listed, rom in found)


def header_sha1(path: Path) -> str | None:
    """The SHA-1 in the header; None for no CHD, or one too old to have one. Raises `OSError`."""
    with path.open("rb") as stream:
        head = stream.read(128)
    at = _SHA1_AT.get(int.from_bytes(head[12:16], "big"))
    if not head.startswith(_MAGIC) or at is None or len(head) < at + _SHA1:
        return None
    digest = head[at : at + _SHA1]
    return digest.hex() if any(digest) else None


def _doubt(path: Path, sha1: str) -> Task[str]:
    """What speaks against the header's `sha1`, in words; empty if the content is what it says."""
    try:
        with closing(open_image(path)) as image:
            if not isinstance(image, SelfDigested):
                return "its content could not be read"
            digests = yield from image.own_digests()
    except BadInput:
        return "its content could not be read"
    proven = sha1 in {own.actual for own in digests}
    if proven and all(own.actual == own.expected for own in digests):
        return ""
    return "its content is another: the file is damaged"


def _candidate(listed: Listed, rom: Rom, doubt: str) -> Candidate:
    notes = [f"its header has the SHA-1 of this disk, but {doubt}"] if doubt else []
    disks = len(listed.game.tracks)
    if disks > 1:
        notes.append(f"one of {disks} files of this title")
    bad = rom.status is Status.BAD_DUMP
    fit = Fit.DIFFERENT if doubt else Fit.SAME
    note = "the DAT calls it a bad dump" if bad else ""
    return Candidate(
        name=listed.game.name,
        dat=listed.dat,
        publisher=listed.publisher,
        system=listed.system,
        version=listed.version,
        verdict=Verdict.NEAR if doubt else Verdict.MATCH,
        form="chd",
        tracks=(TrackFit(fit, None, rom.name, None if doubt else "sha1", note),),
        notes=tuple(notes),
    )
