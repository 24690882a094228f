# SPDX-License-Identifier: Apache-2.0
"""From an image to its name: hash it once, look it up, and look closer where nothing fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.sectors.views import RawView, UserView
from imagerd.toolkit.hashing import HashResult, hash_source
from imagerd.toolkit.match.closer import Closer, size_of
from imagerd.toolkit.match.judge import Part, candidate, score
from imagerd.toolkit.match.listening import Ear, Filled
from imagerd.toolkit.match.records import Library, Listed
from imagerd.toolkit.match.results import Candidate, MatchResult, Verdict
from imagerd.toolkit.submission.tap import unread_gaps

_SHOWN: Final = 5  # candidates of a result that is no match
_CLOSER: Final = 3  # candidates that are looked at closer


def match_source(
    source: SectorSource, library: Library, *, offsets: bool = False
) -> Task[MatchResult]:
    """Name the disc in `source` by `library`.

    Near misses are looked for where no game matches; audio at other offsets where all data tracks
    are the same, or wherever `offsets` says so.
    """
    raw = RawView(source)
    ear = Ear(raw)
    hashes = yield from hash_source(ear)
    parts = [Part(track.number, track.digests) for track in hashes.tracks]
    closer = Closer(raw, library, parts, offsets)
    work = _Work(source, raw, library, hashes, closer)
    yield from work.run()
    return MatchResult(
        verdict=work.best[0].verdict if work.best else Verdict.UNKNOWN,
        candidates=tuple(work.best),
        tracks=hashes.tracks,
        whole=hashes.whole,
        sounds=ear.sounds(),
        unreadable=hashes.unreadable,
        tried=tuple(dict.fromkeys(closer.tried)),
    )


@dataclass(slots=True)
class _Work:
    """One image being matched. `found`: every game looked at, with its verdict so far."""

    source: SectorSource
    raw: RawView
    library: Library
    hashes: HashResult
    closer: Closer
    found: list[tuple[Listed, Candidate]] = field(default_factory=list)

    @property
    def parts(self) -> Sequence[Part]:
        """The tracks."""
        return self.closer.parts

    @property
    def best(self) -> list[Candidate]:
        """What is told: all matches, or the best of the rest."""
        told = [entry[1] for entry in self._ranked() if entry[1].verdict is not Verdict.UNKNOWN]
        matches = [c for c in told if c.verdict is Verdict.MATCH]
        return matches or told[:_SHOWN]

    def _ranked(self) -> list[tuple[Listed, Candidate]]:
        def worth(entry: tuple[Listed, Candidate]) -> tuple[int, float]:
            sizes = {rom.name: rom.size or 0 for rom in entry[0].game.tracks}
            return score(entry[1], sizes)

        return sorted(self.found, key=worth, reverse=True)

    @property
    def matched(self) -> bool:
        """Whether there is a name."""
        return any(found.verdict is Verdict.MATCH for _, found in self.found)

    def run(self) -> Task[None]:
        """Look up as tracks, as one file, as an .iso; then closer."""
        self._look_up(self.parts, "tracks")
        if len(self.parts) > 1 and self.hashes.whole is not None:
            self._look_up([Part(None, self.hashes.whole)], "joined")
        if not self.matched:
            yield from self._as_iso()
        if self.matched:
            return
        yield from self._filled()
        self._by_sizes()
        for listed, so_far in self._ranked()[:_CLOSER]:
            if so_far.form == "tracks":
                judged = yield from self.closer.look(listed, so_far)
                self.found[self.found.index((listed, so_far))] = (listed, judged)
        if len(self.parts) == 1:
            yield from self._other_lengths()

    def _look_up(self, parts: Sequence[Part], form: str) -> None:
        for listed in self.library.with_digests(part.digests for part in parts):
            judged = candidate(listed, parts, form)
            alone = form != "tracks" and judged.verdict is not Verdict.MATCH
            if judged.verdict is not Verdict.UNKNOWN and not alone:
                self.found.append((listed, judged))

    def _as_iso(self) -> Task[None]:
        """The user data of the data track: as others keep discs of one track."""
        view = self._user_view()
        if view is None or not self.library.with_sizes([size_of(view)]):
            return
        hashes = yield from hash_source(view)
        self._look_up([Part(view.track.number, hashes.tracks[0].digests)], "iso")
        left = len(self.parts) - 1
        if left:  # the DAT may list a part of the disc
            self.found = [(one, _part_only(found, left)) for one, found in self.found]

    def _filled(self) -> Task[None]:
        """With the gaps that a sheet tells of and no file holds, as the silence they mostly are."""
        lacking = [track.number for track in unread_gaps(self.source.layout.tracks)]
        if not lacking:
            return
        hashes = yield from hash_source(Filled(self.raw))
        parts = [Part(track.number, track.digests) for track in hashes.tracks]
        before = len(self.found)
        self._look_up(parts, "filled")
        tracks = ", ".join(map(str, lacking))
        note = f"with silence for the gap of track {tracks}, which the image does not hold"
        self.found[before:] = [
            (one, replace(found, verdict=Verdict.NEAR, notes=(note, *found.notes)))
            for one, found in self.found[before:]
        ]

    def _user_view(self) -> UserView | None:
        """The first data track of a CD as blocks of 2048 bytes, if it has such."""
        layout = self.source.layout
        if not layout.is_cd or all(not track.is_data for track in layout.tracks):
            return None
        try:
            return UserView(self.source)
        except BadInput:
            return None

    def _by_sizes(self) -> None:
        """Games of which every track has our size: of several tracks, that is no accident."""
        audio = all(not track.is_data for track in self.raw.layout.tracks)
        if len(self.parts) < 2 and not audio:
            return
        sizes = [part.digests.size for part in self.parts]
        known = [listed for listed, _ in self.found]
        for listed in self.library.with_sizes(sizes):
            alike = [rom.size for rom in listed.game.tracks] == sizes
            if alike and listed not in known:
                self.found.append((listed, candidate(listed, self.parts, "tracks")))

    def _other_lengths(self) -> Task[None]:
        """Files of nearly the size of a disc of one track, which no digest leads to."""
        self.found += yield from self.closer.near_sizes(self.raw, "tracks", self.parts[0])
        view = self._user_view()
        if view is not None:
            self.found += yield from self.closer.near_sizes(view, "iso")


def _part_only(found: Candidate, left: int) -> Candidate:
    if found.form != "iso":
        return found
    note = f"{left} track{'' if left == 1 else 's'} of the image left out of account"
    return replace(found, verdict=Verdict.PARTIAL, notes=(*found.notes, note))
