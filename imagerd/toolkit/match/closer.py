# SPDX-License-Identifier: Apache-2.0
"""A closer look at games that do not match: what would the image have to be, to be one of them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Track
from imagerd.disc.source import SectorSource
from imagerd.sectors.offset import OffsetView
from imagerd.sectors.views import RawView
from imagerd.toolkit.hashing import hash_source
from imagerd.toolkit.match import near
from imagerd.toolkit.match.judge import Pair, Part, candidate, pair_up, rated
from imagerd.toolkit.match.listening import Only
from imagerd.toolkit.match.records import Library, Listed
from imagerd.toolkit.match.results import Candidate, Fit, TrackFit, Verdict

_MOST_TRACKS: Final = 3  # whose audio is searched at other offsets
_NEAR_SECTORS: Final = 300  # two seconds of gap at either end


@dataclass(slots=True)
class Closer:
    """The image as `raw` sectors and the digests of its tracks. `tried` grows, in words."""

    raw: RawView
    library: Library
    parts: Sequence[Part]
    offsets: bool
    tried: list[str] = field(default_factory=list)

    def look(self, listed: Listed, so_far: Candidate) -> Task[Candidate]:
        """The game, with what was found out of audio that is moved and of ends that are cut."""
        pairs = pair_up(self.parts, listed.game.tracks)
        tracks = {track.number: track for track in self.raw.layout.tracks}
        judged = so_far
        if self._may_be_moved(pairs, tracks):
            judged = yield from self._moved(listed, pairs, tracks, judged)
        if any(pair.fit is Fit.SIZE for pair in pairs):
            yield Progress(0, 0, "bytes", f"other lengths: {listed.game.name}")
            judged = self._cut(pairs, tracks, judged)
        return judged

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
        searched = list(_audio_by_size(pairs, tracks))
        if not searched:
            self.tried.append(f"no other offsets: the DAT has no CRC-32 of {listed.game.name!r}")
            return so_far
        self.tried.append(
            f"audio at offsets of up to {near.REACH} samples to either side, against"
            f" {listed.game.name!r}"
        )
        yield Progress(0, 0, "bytes", f"other offsets: {listed.game.name}")
        for pair in searched:
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
        moved = Only(OffsetView(self.raw, samples), audio)
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

    def near_sizes(
        self, source: SectorSource, form: str, part: Part | None = None
    ) -> Task[list[tuple[Listed, Candidate]]]:
        """Games of one file of nearly the size of `source`, a disc of one track, that fit it.

        No digest leads to them. `part` is hashed where it is not known yet.
        """
        track, size = source.layout.tracks[0], size_of(source)
        reach = _NEAR_SECTORS * track.stored.size
        listed = self.library.near_size(size - reach, size + reach)
        games = [one for one in listed if len(one.game.tracks) == 1]
        if not games:
            return []
        if part is None:
            hashes = yield from hash_source(source)
            part = Part(track.number, hashes.tracks[0].digests)
        self.tried.append(
            f"{len(games)} files of nearly the same size, with bytes at an end cut off or added"
        )
        yield Progress(0, 0, "bytes", "other lengths")
        fitting: list[tuple[Listed, Candidate]] = []
        roms = [one.game.tracks[0] for one in games]
        for found in near.ends(source, track, part.digests, roms):
            one = next(game for game, rom in zip(games, roms, strict=True) if rom is found.rom)
            judged = candidate(one, [part], form)
            fit = replace(judged.tracks[0], fit=Fit.CUT, note=found.words(track.stored.size))
            fitting.append((one, _with_cut(judged, [fit])))
        return fitting


def size_of(source: SectorSource) -> int:
    """The bytes of all tracks as they are stored."""
    return sum(len(track.stored_range) * track.stored.size for track in source.layout.tracks)


def _with_cut(so_far: Candidate, fits: Sequence[TrackFit]) -> Candidate:
    """The candidate with these fits; NEAR if all that kept it from a match are cut ends."""
    kinds = {fit.fit for fit in fits}
    if Fit.CUT not in kinds:
        return so_far
    near_it = kinds <= {Fit.SAME, Fit.MOVED, Fit.CUT}
    return replace(so_far, tracks=tuple(fits), verdict=Verdict.NEAR if near_it else Verdict.PARTIAL)


def _as_moved(fit: TrackFit, audio: set[int], before: set[int | None]) -> TrackFit:
    new = fit.fit is Fit.SAME and fit.number in audio and fit.number not in before
    return replace(fit, fit=Fit.MOVED) if new else fit


def _track_of(pair: Pair, tracks: dict[int, Track]) -> Track | None:
    return None if pair.part is None else tracks.get(pair.part.number or 0)


def _audio_by_size(pairs: Iterable[Pair], tracks: dict[int, Track]) -> Iterator[Pair]:
    """Audio of the right size and other content that has a CRC-32, the longest first."""
    audio = [
        (pair.rom.size or 0, pair)
        for pair in pairs
        if pair.fit is Fit.DIFFERENT
        and pair.rom is not None
        and pair.rom.crc32 is not None
        and (track := _track_of(pair, tracks)) is not None
        and not track.is_data
    ]
    for _, pair in sorted(audio, key=lambda entry: -entry[0])[:_MOST_TRACKS]:
        yield pair
