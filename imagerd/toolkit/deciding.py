# SPDX-License-Identifier: Apache-2.0
"""One sector of which several sources have readings: what it is, by which of them, and how surely.

Data that an EDC can prove is settled by that alone (`sectors.combine`). Of what proves nothing,
readings that were good are taken if they agree or most of them do. Where they do not suffice, and
the sources kept evidence of audio, the rule of the engine has the last word (`recovery.conclude`),
with the readings of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby

import numpy as np

from imagerd.disc.source import Bytes2D, Sectors, SectorState
from imagerd.recovery.conclude import Kind, Witness, conclude, flags_of
from imagerd.recovery.reader import Row
from imagerd.recovery.readings import digest_of
from imagerd.recovery.testimony import Moved, Testimony, kept_witness, of_source
from imagerd.sectors.combine import COMPUTED, How, Origins, combine, majority, origins_of, vote
from imagerd.sectors.decoder import Mask
from imagerd.sectors.geometry import MODE

_PLAIN_MODE = 0x1F  # the bits of a mode byte that are the mode


@dataclass(frozen=True, slots=True)
class Run:
    """`count` bytes from `offset` of a sector are from source number `source`, None: computed.

    `reading`: which of the readings that the source kept of it, by their hash in its evidence;
    None: what it holds as the sector.
    """

    offset: int
    count: int
    source: int | None
    reading: str | None = None


class Outcome(Enum):
    """What became of a sector that the sources do not hold alike."""

    TAKEN = auto()  # as one source has it
    JOINED = auto()  # of bytes of several readings, or mended
    OUTVOTED = auto()  # nothing proves it; most readings say so
    DISPUTED = auto()  # nothing proves it, and no majority
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """The bytes of a sector, its state, and how it came about."""

    data: Row
    state: SectorState
    outcome: Outcome
    how: How = How.READ
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """What source number `source` has of a sector: its bytes, and how sure it is of them.

    `witnesses`: of a job, the readings that it kept; None: of what keeps none. `c2_trusted`: bytes
    that several of these do not flag may be taken for right.
    """

    source: int
    data: Row
    state: SectorState
    witnesses: tuple[Witness, ...] | None = None
    c2_trusted: bool = False

    @classmethod
    def of_job(cls, source: int, told: Testimony | Moved, block: Sectors, lba: int) -> Voice:
        """Of a job that has `block`, in which `lba` is, and what it kept besides."""
        plain = cls.of(source, block, lba)
        if plain.state is SectorState.PROVEN:
            return plain
        found = told.of(lba)
        own = digest_of(plain.data)
        if plain.state >= SectorState.READ and own not in {one.seen.digest for one in found}:
            found.append(kept_witness(plain.data, lba))
        witnesses = tuple(of_source(found, source))
        if not plain.came and witnesses:
            plain = replace(plain, data=witnesses[0].data, state=SectorState.SUSPECT)
        return replace(plain, witnesses=witnesses, c2_trusted=told.c2_trusted)

    @classmethod
    def of(cls, source: int, block: Sectors, lba: int) -> Voice:
        """Of a source that has nothing but `block`, which has `lba`."""
        row = lba - block.lba
        return cls(source, block.data[row], SectorState(int(block.states[row])))

    @property
    def came(self) -> bool:
        """Whether there are bytes at all."""
        return self.state > SectorState.FAILED

    @property
    def good(self) -> bool:
        """Whether they came without complaint."""
        return self.state >= SectorState.READ


@dataclass(frozen=True, slots=True)
class _Reading:
    data: Row
    flagged: Mask | None
    source: int
    name: str | None = None  # None: what the source holds as the sector


def decide(voices: Sequence[Voice], lba: int, kind: Kind | None) -> Decision:
    """What a sector is. `kind`: how it can be known, None: by no means."""
    came = [voice for voice in voices if voice.came]
    if not came:
        return Decision(voices[0].data, SectorState.FAILED, Outcome.LOST)
    found = None
    if kind in (Kind.MODE1, Kind.MODE2):
        found = _proven(came, lba, mode2=kind is Kind.MODE2)
    elif kind is Kind.AUDIO and not any(voice.good for voice in came):
        found = _concluded(came, lba)
    if found is None:
        found = _agreed(came)
    if found is None and kind is Kind.AUDIO:
        found = _concluded(came, lba)
    return _doubtful(came) if found is None else found


# -- what proves itself ------------------------------------------------------------------------


def _proven(came: Sequence[Voice], lba: int, *, mode2: bool) -> Decision | None:
    """What the EDC proves of all that was read.

    Nothing covers the upper bits of the mode byte of mode 2. A drive may have given a doubtful
    reading uncorrected: one that is odd there does not speak.
    """
    readings = [
        one
        for voice in came
        for one in _readings(voice)
        if not mode2 or voice.witnesses is None or one.data[MODE] <= _PLAIN_MODE
    ]
    if not readings:
        return None
    rows, flags = _stacked(readings)
    sources = [one.source for one in readings]
    found = combine(rows, lba=lba, mode2=mode2, c2=flags, sources=sources)
    if found is None:
        return None
    runs = _runs(found.origins, readings)
    outcome = _outcome(runs)
    return Decision(found.data, SectorState.PROVEN, outcome, found.how, runs)


def _readings(voice: Voice) -> list[_Reading]:
    """The different readings of a source, each as it was flagged least; its own sector first."""
    own = digest_of(voice.data)
    found = {own: _Reading(voice.data, None, voice.source)}
    for one in sorted(voice.witnesses or (), key=flags_of):
        name = None if one.seen.digest == own else one.seen.digest.hex()
        if one.seen.digest not in found or (name is None and found[own].flagged is None):
            found[one.seen.digest] = _Reading(one.data, one.flagged, voice.source, name)
    return list(found.values())


def _stacked(readings: Sequence[_Reading]) -> tuple[Bytes2D, Mask | None]:
    """Rows and C2 flags, None if there is no flag at all."""
    rows = np.stack([one.data for one in readings])
    if not any(one.flagged is not None and one.flagged.any() for one in readings):
        return rows, None
    none = np.zeros(rows.shape[1], np.bool_)
    return rows, np.stack([none if one.flagged is None else one.flagged for one in readings])


# -- what does not -----------------------------------------------------------------------------


def _agreed(came: Sequence[Voice]) -> Decision | None:
    """What those that have it good agree on, or most of them; the others have no say."""
    level = min(max(voice.state for voice in came), SectorState.READ)
    trusted = [voice for voice in came if voice.state >= level]
    rows = np.stack([voice.data for voice in trusted])
    if (rows == rows[0]).all():
        return _of(trusted[0], level, Outcome.TAKEN)
    chosen = majority(rows)
    return None if chosen is None else _of(trusted[chosen], level, Outcome.OUTVOTED)


def _of(voice: Voice, state: SectorState, outcome: Outcome) -> Decision:
    runs = (Run(0, len(voice.data), voice.source),)
    return Decision(voice.data, state, outcome, runs=runs)


def _concluded(came: Sequence[Voice], lba: int) -> Decision | None:
    """What the engine's rule says of the readings of all sources.

    Where some have it good, though not alike, it can but tell which of them is right.
    """
    speaking = [voice for voice in came if voice.good or voice.witnesses]
    witnesses: list[Witness] = []
    for voice in speaking:
        own = of_source([kept_witness(voice.data, lba)], voice.source)
        witnesses += own if voice.witnesses is None else voice.witnesses
    trusted = all(voice.c2_trusted for voice in speaking)
    found = conclude(witnesses, lba, Kind.AUDIO, c2_trusted=trusted)
    if found is None:
        return None
    good = [voice for voice in came if voice.good]
    if good:
        held = [voice for voice in good if (voice.data == found.data).all()]
        return _of(held[0], found.state, Outcome.OUTVOTED) if held else None
    readings = [one for voice in came for one in _readings(voice)]
    runs = _runs(origins_of(found.data, _stacked(readings)[0]), readings)
    how = How.VOTED if found.composed else How.READ
    return Decision(found.data, found.state, _outcome(runs), how, runs)


def _doubtful(came: Sequence[Voice]) -> Decision:
    """Nobody knows: each byte as most readings have it, of one or two the first."""
    best = [voice for voice in came if voice.good] or came
    readings = [one for voice in best for one in _readings(voice)]
    if len(readings) == 2:
        return _of(best[0], SectorState.SUSPECT, Outcome.DISPUTED)
    rows, flags = _stacked(readings)
    data, _ = vote(rows, flags)
    runs = _runs(origins_of(data, rows), readings)
    return Decision(data, SectorState.SUSPECT, Outcome.DISPUTED, How.VOTED, runs)


def _outcome(runs: Sequence[Run]) -> Outcome:
    """Whether it is a sector just as one source has it."""
    alone = len(runs) == 1 and runs[0].source is not None and runs[0].reading is None
    return Outcome.TAKEN if alone else Outcome.JOINED


def _runs(origins: Origins, readings: Sequence[_Reading]) -> tuple[Run, ...]:
    found, offset = [], 0
    for origin, group in groupby(origins.tolist()):
        count = len(list(group))
        if origin == COMPUTED:
            found.append(Run(offset, count, None))
        else:
            found.append(Run(offset, count, readings[origin].source, readings[origin].name))
        offset += count
    return tuple(found)
