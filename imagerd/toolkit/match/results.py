# SPDX-License-Identifier: Apache-2.0
"""What match answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from imagerd.base.digests import Digests
from imagerd.disc.ranges import NOWHERE, Extent
from imagerd.toolkit.hashing import TrackHash
from imagerd.toolkit.match.records import Sound


class Verdict(StrEnum):
    """What an image is. Of several games, the best counts."""

    MATCH = "match"  # every track is there, in order, and no other
    NEAR = "near"  # it would be a match: its audio moved, or a track cut or filled up
    PARTIAL = "partial"  # some tracks are the same
    UNKNOWN = "unknown"


class Fit(StrEnum):
    """How a track and a file of the DAT fit."""

    SAME = "same"
    MOVED = "moved"  # the same at another offset
    CUT = "cut"  # the same but for bytes at an end, as the note says
    DIFFERENT = "different"  # of the same size
    SIZE = "size"  # of another size
    MISSING = "missing"  # the image lacks it
    EXTRA = "extra"  # the DAT lacks it
    NO_DUMP = "nodump"  # the DAT names it and has no digest


@dataclass(frozen=True, slots=True)
class TrackFit:
    """A track of the image (`number`; None: the whole image as one) and a `file` of the DAT.

    `by`: the digest that proves it the same. `note`: a remark in words.
    """

    fit: Fit
    number: int | None = None
    file: str | None = None
    by: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A game that the image is, or may be.

    `form`: how the image was taken: "tracks", "joined" (all tracks as one file), "filled" (with
    silence for gaps that it lacks), "iso" (user data of its data track) or "chd" (the whole file).
    `offset`: the samples by which the image's audio is late; correcting by so many makes the tracks
    that are MOVED. `notes` in words.
    """

    name: str
    dat: str
    publisher: str
    system: str
    version: str
    verdict: Verdict
    form: str
    tracks: tuple[TrackFit, ...]
    offset: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchResult:
    """The whole answer. `candidates`, the best first: only matches, if there is one.

    `tracks` as they were hashed; `whole`: all of them joined. `sounds` by track, 0 for all audio;
    without 0 where all was silent or some samples are missing. `unreadable` sectors were hashed as
    their filling. `tried`: what was searched for near misses, in words.
    """

    verdict: Verdict
    candidates: tuple[Candidate, ...]
    tracks: tuple[TrackHash, ...] = ()
    whole: Digests | None = None
    sounds: Mapping[int, Sound] = field(default_factory=dict)
    unreadable: Extent = NOWHERE
    tried: tuple[str, ...] = ()
