# SPDX-License-Identifier: Apache-2.0
"""What `imagerctl match` found, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagerd.cli import text

if TYPE_CHECKING:
    from imagerd.toolkit.match.records import SameSound
    from imagerd.toolkit.match.results import Candidate, MatchResult, TrackFit

_WORDS = {
    "same": "the same",
    "moved": "the same, moved",
    "cut": "the same but for an end",
    "different": "differs",
    "size": "of another size",
    "missing": "the image lacks it",
    "extra": "the DAT lacks it",
    "nodump": "the DAT has no digest",
}
_NOT_WORTH_A_LINE = "same"
_DIGESTS = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5", "crc32": "CRC-32"}


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file's old path and its new one."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Matched:
    """One image. `error`: why it could not be matched.

    `renamed`: what its files are, or would be, called now; `kept_name`: why they are not renamed.
    """

    source: str
    result: MatchResult | None = None
    same_sound: tuple[SameSound, ...] = ()
    error: str | None = None
    renamed: tuple[Renamed, ...] = ()
    kept_name: str | None = None

    @property
    def named(self) -> bool:
        """Whether there is a name for it."""
        return self.result is not None and self.result.verdict.value == "match"


@dataclass(frozen=True, slots=True)
class MatchesTold:
    """All images of one call."""

    images: tuple[Matched, ...]


def lines(told: MatchesTold) -> Iterator[str]:
    """One paragraph for each image."""
    for image in told.images:
        yield text.strong(text.clean(image.source))
        if image.error is not None:
            yield f"  {text.bad(text.clean(image.error))}"
        if image.result is not None:
            yield from _result(image.result)
        for other in image.same_sound:
            yield f"  {_same_sound(other)}"
        for file in image.renamed:
            yield f"  {text.clean(file.old)} → {text.clean(file.new)}"
        if image.kept_name is not None:
            yield f"  {text.doubtful('not renamed: ' + text.clean(image.kept_name))}"


def _result(result: MatchResult) -> Iterator[str]:
    if not result.candidates:
        yield f"  {text.bad('unknown')}"
    for candidate in result.candidates:
        yield from _candidate(candidate)
    if result.unreadable:
        yield text.bad(
            f"  {text.count(result.unreadable.count, 'sector')} could not be read; their filling"
            " was hashed instead"
        )
    if 0 in result.sounds and result.verdict.value != "match":
        yield f"  {text.faint('universal hash: ' + result.sounds[0].sha1)}"
    for tried in result.tried:
        yield f"  {text.faint('tried: ' + text.clean(tried))}"


def _candidate(found: Candidate) -> Iterator[str]:
    colour = {"match": text.good, "near": text.doubtful, "partial": text.doubtful}
    verdict = colour.get(found.verdict.value, text.bad)(found.verdict.value)
    digests = {fit.by for fit in found.tracks if fit.by is not None}
    proof = f", by {' and '.join(sorted(_DIGESTS[by] for by in digests))}" if digests else ""
    yield f"  {verdict}  {text.clean(found.name)}"
    version = f" {text.clean(found.version)}" if found.version else ""
    yield f"    {text.faint(text.clean(found.dat) + version + proof + _form(found.form))}"
    for note in found.notes:
        yield f"    {text.clean(note)}"
    if found.verdict.value != "match" or any(fit.note for fit in found.tracks):
        yield from _tracks(found)


def _form(form: str) -> str:
    words = {
        "joined": ", all tracks as one file",
        "iso": ", its user data as an .iso",
        "chd": ", the CHD as a whole",
    }
    return words.get(form, "")


def _tracks(found: Candidate) -> Iterator[str]:
    same = [fit for fit in found.tracks if fit.fit.value == _NOT_WORTH_A_LINE and not fit.note]
    if same:
        yield f"    {text.count(len(same), 'track')} the same"
    for fit in found.tracks:
        if fit not in same:
            yield f"    {_track(fit)}"


def _track(fit: TrackFit) -> str:
    number = f"track {fit.number}: " if fit.number is not None else ""
    note = f": {fit.note}" if fit.note else ""
    file = f"  {text.faint(text.clean(fit.file))}" if fit.file else ""
    return f"{number}{_WORDS[fit.fit.value]}{note}{file}"


def _same_sound(other: SameSound) -> str:
    where = text.clean(other.path)
    if not other.offset:
        return f"sounds the same as {where}"
    late = "later" if other.offset > 0 else "earlier"
    return f"sounds the same as {where}, {abs(other.offset)} samples {late}"
