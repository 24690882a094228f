# SPDX-License-Identifier: Apache-2.0
"""Lay the tracks of an image beside the files of a game: which are the same, which are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from imagerd.base.digests import Digests
from imagerd.toolkit.dat.records import Rom, Status
from imagerd.toolkit.match.records import Listed
from imagerd.toolkit.match.results import Candidate, Fit, TrackFit, Verdict


@dataclass(frozen=True, slots=True)
class Part:
    """A track of the image, or all of it as one (`number` None)."""

    number: int | None
    digests: Digests


@dataclass(frozen=True, slots=True)
class Pair:
    """What may be the same; one of both may be missing."""

    part: Part | None
    rom: Rom | None

    @property
    def by(self) -> str | None:
        """The digest that proves them the same."""
        if self.part is None or self.rom is None:
            return None
        return self.rom.same_as(self.part.digests)

    @property
    def fit(self) -> Fit:
        """How they fit as they stand."""
        if self.part is None:
            return Fit.MISSING
        if self.rom is None:
            return Fit.EXTRA
        if self.by is not None:
            return Fit.SAME
        if self.rom.status is Status.NO_DUMP:
            return Fit.NO_DUMP
        return Fit.DIFFERENT if self.rom.size == self.part.digests.size else Fit.SIZE

    def told(self) -> TrackFit:
        """As a result."""
        bad = self.fit is Fit.SAME and self.rom is not None and self.rom.status is Status.BAD_DUMP
        return TrackFit(
            self.fit,
            None if self.part is None else self.part.number,
            None if self.rom is None else self.rom.name,
            self.by,
            "the DAT calls it a bad dump" if bad else "",
        )


def pair_up(parts: Sequence[Part], roms: Sequence[Rom]) -> list[Pair]:
    """Every part and every file once, in the DAT's order, extra parts at the end.

    What is the same goes together; what is left by its place and size, by size, by its place.
    """
    free = dict(enumerate(parts))
    found: dict[int, int] = {}

    def take(fits: Callable[[int, int], bool]) -> None:
        for at, _ in enumerate(roms):
            if at not in found:
                mine = next((n for n in _nearest(at, free) if fits(n, at)), None)
                if mine is not None:
                    found[at] = mine
                    del free[mine]

    def same(mine: int, at: int) -> bool:
        return roms[at].same_as(parts[mine].digests) is not None

    def same_size(mine: int, at: int) -> bool:
        return roms[at].size == parts[mine].digests.size

    take(lambda mine, at: mine == at and same(mine, at))
    take(same)
    take(lambda mine, at: mine == at and same_size(mine, at))
    take(same_size)
    take(lambda mine, at: mine == at)
    pairs = [Pair(parts[found[at]] if at in found else None, rom) for at, rom in enumerate(roms)]
    return [*pairs, *(Pair(part, None) for part in free.values())]


def _nearest(at: int, free: dict[int, Part]) -> Iterator[int]:
    """The place itself first, then all others in order."""
    if at in free:
        yield at
    yield from (n for n in free if n != at)


def candidate(listed: Listed, parts: Sequence[Part], form: str) -> Candidate:
    """The game as it stands beside the parts."""
    return rated(listed, pair_up(parts, listed.game.tracks), form)


def rated(listed: Listed, pairs: Sequence[Pair], form: str) -> Candidate:
    """The verdict on pairs, and what is to be said of them."""
    fits = [pair.fit for pair in pairs]
    same = [pair for pair in pairs if pair.fit is Fit.SAME]
    order = [pair.part.number or 0 for pair in same if pair.part is not None]
    whole = len(same) == len(pairs) > 0 and order == sorted(order)
    verdict = Verdict.MATCH if whole else Verdict.PARTIAL if same else Verdict.UNKNOWN
    return Candidate(
        name=listed.game.name,
        dat=listed.dat,
        publisher=listed.publisher,
        system=listed.system,
        version=listed.version,
        verdict=verdict,
        form=form,
        tracks=tuple(pair.told() for pair in pairs),
        notes=tuple(_notes(pairs, fits, order)),
    )


def _notes(pairs: Sequence[Pair], fits: Sequence[Fit], order: Sequence[int]) -> Iterator[str]:
    by = {pair.by for pair in pairs} - {None}
    if by == {"crc32"}:
        yield "the DAT has no digest but CRC-32, which proves little"
    if order != sorted(order):
        yield "the tracks stand in another order"
    missing, extra = fits.count(Fit.MISSING), fits.count(Fit.EXTRA)
    if missing:
        yield f"the image lacks {_tracks(missing)}"
    if extra:
        yield f"the image has {_tracks(extra)} more"
    if Fit.NO_DUMP in fits:
        yield f"the DAT has no digests of {_tracks(fits.count(Fit.NO_DUMP))}"


def _tracks(count: int) -> str:
    return "1 track" if count == 1 else f"{count} tracks"


def score(candidate: Candidate, sizes: dict[str, int]) -> tuple[int, float]:
    """To sort by, the best last: the verdict, then the share of the game's bytes that are there."""
    rank = [Verdict.UNKNOWN, Verdict.PARTIAL, Verdict.NEAR, Verdict.MATCH].index(candidate.verdict)
    there = sum(sizes.get(t.file or "", 0) for t in candidate.tracks if t.fit in _THERE)
    return rank, there / max(sum(sizes.values()), 1)


_THERE = (Fit.SAME, Fit.MOVED)
