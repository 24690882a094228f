# SPDX-License-Identifier: Apache-2.0
"""From an image to its name: hash it once, look it up, and look closer where nothing fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Track
from imagerd.disc.source import SectorSource
from imagerd.sectors.offset import OffsetView
from imagerd.sectors.views import RawView, UserView
from imagerd.toolkit.hashing import HashResult, hash_source
from imagerd.toolkit.match import near
from imagerd.toolkit.match.judge import Pair, Part, candidate, pair_up, rated, score
from imagerd.toolkit.match.listening import Ear
from imagerd.toolkit.match.listening import Only as OnlyTracks
from imagerd.toolkit.match.records import (
    Candidate,
    Fit,
    Library,
    Listed,
    MatchResult,
    TrackFit,
    Verdict,
)

_SHOWN: Final = 5  # candidates of a result that is no match
_CLOSER: Final = 3  # candidates that are looked at closer
_NEAR_SECTORS: Final = 300  # two seconds of gap at either end


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
    work = _Work(source, raw, library, hashes, offsets)
    yield from work.run()
    return MatchResult(
        verdict=work.best[0].verdict if work.best else Verdict.UNKNOWN,
        candidates=tuple(work.best),
        tracks=hashes.tracks,
        whole=hashes.whole,
        sounds=ear.sounds(),
        unreadable=hashes.unreadable,
        tried=tuple(dict.fromkeys(work.tried)),
    )


@dataclass(slots=True)
class _Work:
    """One image being matched. `found`: every game looked at, with its verdict so far."""

    source: SectorSource
    raw: RawView
    library: Library
    hashes: HashResult
    offsets: bool
    found: list[tuple[Listed, Candidate]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    @property
    def parts(self) -> list[Part]:
        """The tracks."""
        return [Part(track.number, track.digests) for track in self.hashes.tracks]

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
        self._by_sizes()
        for listed, so_far in self._ranked()[:_CLOSER]:
            if so_far.form == "tracks":
                yield from self._closer(listed, so_far)
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
        if view is None or not self.library.with_sizes([_size(view)]):
            return
        hashes = yield from hash_source(view)
        self._look_up([Part(view.track.number, hashes.tracks[0].digests)], "iso")
        left = len(self.parts) - 1
        if left:  # the DAT may list a part of the disc
            self.found = [(one, _part_only(found, left)) for one, found in self.found]

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
        known = {(listed.dat, listed.game.name) for listed, _ in self.found}
        for listed in self.library.with_sizes(sizes):
            alike = [rom.size for rom in listed.game.tracks] == sizes
            if alike and (listed.dat, listed.game.name) not in known:
                self.found.append((listed, candidate(listed, self.parts, "tracks")))

    # -- closer --------------------------------------------------------------------------------

    def _closer(self, listed: Listed, so_far: Candidate) -> Task[None]:
        pairs = pair_up(self.parts, listed.game.tracks)
        tracks = {track.number: track for track in self.raw.layout.tracks}
        judged = so_far
        if self._may_be_moved(pairs, tracks):
            judged = yield from self._moved(listed, pairs, tracks, judged)
        if any(pair.fit is Fit.SIZE for pair in pairs):
            yield Progress(0, 0, "bytes", f"other lengths: {listed.game.name}")
            judged = self._cut(pairs, tracks, judged)
        self._replace(listed, so_far, judged)

    def _replace(self, listed: Listed, before: Candidate, after: Candidate) -> None:
        self.found[self.found.index((listed, before))] = (listed, after)

    def _may_be_moved(self, pairs: Iterable[Pair], tracks: dict[int, Track]) -> bool:
        audio = data = False
        for pair in pairs:
            track = _track_of(pair, tracks)
            if track is None:
                continue
            if not track.is_data:
                audio |= pair.fit is Fit.DIFFERENT
            else:
                data |= pair.fit is not Fit.SAME
        return self.raw.layout.is_cd and audio and (self.offsets or not data)

    def _moved(
        self, listed: Listed, pairs: Sequence[Pair], tracks: dict[int, Track], so_far: Candidate
    ) -> Task[Candidate]:
        self.tried.append(
            f"audio at offsets of up to {near.REACH} samples to either side, against"
            f" {listed.game.name!r}"
        )
        yield Progress(0, 0, "bytes", f"other offsets: {listed.game.name}")
        for pair in _audio_by_size(pairs, tracks):
            track = _track_of(pair, tracks)
            assert track is not None and pair.rom is not None
            for samples in near.offsets(self.raw, track, pair.rom):
                judged = yield from self._at_offset(listed, samples, so_far)
                if judged is not None:
                    return judged
        return so_far

    def _at_offset(self, listed: Listed, samples: int, so_far: Candidate) -> Task[Candidate | None]:
        """The game beside our tracks with the audio moved; None if no track became the same."""
        audio = {track.number for track in self.raw.layout.tracks if not track.is_data}
        moved = OnlyTracks(OffsetView(self.raw, samples), audio)
        hashes = yield from hash_source(moved)
        digests = {track.number: track.digests for track in hashes.tracks}
        parts = [
            Part(part.number, digests.get(part.number or 0, part.digests)) for part in self.parts
        ]
        pairs = pair_up(parts, listed.game.tracks)
        now = rated(listed, pairs, "tracks")
        before = {fit.number for fit in so_far.tracks if fit.fit is Fit.SAME}
        fits = tuple(_as_moved(fit, audio, before) for fit in now.tracks)
        if all(fit.fit is not Fit.MOVED for fit in fits):
            return None
        verdict = Verdict.NEAR if now.verdict is Verdict.MATCH else Verdict.PARTIAL
        side = "late" if samples > 0 else "early"
        note = f"its audio comes {abs(samples)} samples too {side} (offset {samples:+d})"
        return replace(now, verdict=verdict, tracks=fits, offset=samples, notes=(note, *now.notes))

    def _cut(self, pairs: Sequence[Pair], tracks: dict[int, Track], so_far: Candidate) -> Candidate:
        fits = list(so_far.tracks)
        for pair in pairs:
            track = _track_of(pair, tracks)
            if pair.fit is not Fit.SIZE or track is None or pair.part is None or pair.rom is None:
                continue
            for found in near.ends(self.raw, track, pair.part.digests, [pair.rom]):
                at = next(n for n, fit in enumerate(fits) if fit.file == pair.rom.name)
                note = found.words(track.stored.size)
                fits[at] = replace(fits[at], fit=Fit.CUT, note=note)
        return _with_cut(so_far, fits)

    def _other_lengths(self) -> Task[None]:
        """Files of nearly the size of a disc of one track, which no digest leads to."""
        yield from self._near_sizes(self.raw, "tracks", self.parts[0])
        view = self._user_view()
        if view is not None:
            yield from self._near_sizes(view, "iso", None)

    def _near_sizes(self, source: SectorSource, form: str, part: Part | None) -> Task[None]:
        """Of `source`, a disc of one track; its `part` is hashed where it is not known yet."""
        track, size = source.layout.tracks[0], _size(source)
        reach = _NEAR_SECTORS * track.stored.size
        listed = self.library.near_size(size - reach, size + reach)
        games = [one for one in listed if len(one.game.tracks) == 1]
        if not games:
            return
        if part is None:
            hashes = yield from hash_source(source)
            part = Part(track.number, hashes.tracks[0].digests)
        self.tried.append(
            f"{len(games)} files of nearly the same size, with bytes at an end cut off or added"
        )
        yield Progress(0, 0, "bytes", "other lengths")
        roms = [one.game.tracks[0] for one in games]
        for found in near.ends(source, track, part.digests, roms):
            one = next(game for game, rom in zip(games, roms, strict=True) if rom is found.rom)
            judged = candidate(one, [part], form)
            fit = replace(judged.tracks[0], fit=Fit.CUT, note=found.words(track.stored.size))
            self.found.append((one, _with_cut(judged, [fit])))


def _size(source: SectorSource) -> int:
    return sum(len(track.stored_range) * track.stored.size for track in source.layout.tracks)


def _with_cut(so_far: Candidate, fits: Sequence[TrackFit]) -> Candidate:
    """The candidate with these fits; NEAR if all that kept it from a match are cut ends."""
    kinds = {fit.fit for fit in fits}
    if Fit.CUT not in kinds:
        return so_far
    near_it = kinds <= {Fit.SAME, Fit.MOVED, Fit.CUT}
    return replace(so_far, tracks=tuple(fits), verdict=Verdict.NEAR if near_it else Verdict.PARTIAL)


def _part_only(found: Candidate, left: int) -> Candidate:
    if found.form != "iso":
        return found
    note = f"{left} track{'' if left == 1 else 's'} of the image left out of account"
    return replace(found, verdict=Verdict.PARTIAL, notes=(*found.notes, note))


def _as_moved(fit: TrackFit, audio: set[int], before: set[int | None]) -> TrackFit:
    new = fit.fit is Fit.SAME and fit.number in audio and fit.number not in before
    return replace(fit, fit=Fit.MOVED) if new else fit


def _track_of(pair: Pair, tracks: dict[int, Track]) -> Track | None:
    return None if pair.part is None else tracks.get(pair.part.number or 0)


def _audio_by_size(pairs: Iterable[Pair], tracks: dict[int, Track]) -> Iterator[Pair]:
    """Audio of the right size and other content, the longest first."""
    audio = [
        (pair.rom.size or 0, pair)
        for pair in pairs
        if pair.fit is Fit.DIFFERENT
        and pair.rom is not None
        and (track := _track_of(pair, tracks)) is not None
        and not track.is_data
    ]
    for _, pair in sorted(audio, key=lambda entry: -entry[0])[:_CLOSER]:
        yield pair
