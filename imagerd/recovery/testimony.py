# SPDX-License-Identifier: Apache-2.0
"""What the evidence of a job testifies to: the witnesses of each sector, for whoever concludes.

The engine asks it of its own job; a merge asks several jobs of one disc.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from imagerd.disc.source import SectorState
from imagerd.recovery.conclude import Witness, flags_of
from imagerd.recovery.judge import Judge
from imagerd.recovery.reader import Row
from imagerd.recovery.readings import EvidenceStore, Observation, digest_of
from imagerd.recovery.trust import C2Trust
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.offset import SAMPLE, SAMPLES

_UNDATED, _APART = 0.0, 4.0  # kept bytes have times of -2, -1 and, once doubted, 0


def witnesses_of(evidence: EvidenceStore, lba: int) -> list[Witness]:
    """Every reading of a sector whose bytes are kept."""
    return [
        Witness(
            reading.data,
            None if reading.c2 is None else np.unpackbits(reading.c2).astype(np.bool_),
            seen,
        )
        for seen, reading in evidence.readings(lba)
    ]


def learned_trust(work: Workspace, judge: Judge) -> C2Trust:
    """What the audio in the evidence of a job tells of its drive's C2 pointers."""
    trust, evidence = C2Trust(known=work.job.features.c2), work.evidence
    for lba in evidence.sectors():
        if work.layout.is_cd and not judge.zone_at(lba).data:
            readings = [reading for _, reading in evidence.readings(lba)]
            for number, reading in enumerate(readings):
                trust.compare(reading, readings[:number])
    return trust


class Testimony:
    """The witnesses of a job, to be asked again and again; the workspace stays open for it."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.c2_trusted = learned_trust(work, Judge(work.layout)).trusted

    def of(self, lba: int) -> list[Witness]:
        """The witnesses of a sector: first what came alike most often, then what has least flags.

        A sector that is good has its kept bytes for a witness, for two if it was confirmed.
        """
        witnesses = witnesses_of(self._work.evidence, lba)
        work = self._work
        if not witnesses and work.map.state(lba) >= SectorState.READ:
            row, c2 = work.read_rows(lba, 1)[0], work.job.features.c2
            times = 1 + (lba in work.map.confirmed)
            return [kept_witness(row, lba, number, c2=c2) for number in range(times)]
        alike = Counter(witness.seen.digest for witness in witnesses)
        return sorted(witnesses, key=lambda one: (-alike[one.seen.digest], flags_of(one)))


class Moved:
    """The testimony on a source whose audio, in `areas`, is moved to the front by `samples`.

    A sector then lies in two that were read, of one area. Each reading of the one is joined with
    one of the other, so that all stay independent; at the rim there is none.
    """

    def __init__(self, told: Testimony, samples: int, areas: Sequence[range]) -> None:
        self._told, self._areas = told, tuple(areas)
        self._sectors, self._rest = divmod(samples, SAMPLES)
        self.c2_trusted = told.c2_trusted

    def of(self, lba: int) -> list[Witness]:
        """The witnesses of what is at `lba` after the move."""
        area = next((area for area in self._areas if lba in area), None)
        if area is None:
            return self._told.of(lba)
        first = lba + self._sectors
        if first not in area:
            return []
        if not self._rest:
            return self._told.of(first)
        if first + 1 not in area:
            return []
        pairs = zip(self._told.of(first), self._told.of(first + 1), strict=False)
        return [_joined(one, two, lba, self._rest * SAMPLE) for one, two in pairs]


def _joined(one: Witness, two: Witness, lba: int, cut: int) -> Witness:
    """The end of one reading, from `cut` on, with the beginning of the next."""
    data = np.concatenate((one.data[cut:], two.data[:cut]))
    flagged = None
    if one.flagged is not None and two.flagged is not None:
        flagged = np.concatenate((one.flagged[cut:], two.flagged[:cut]))
    seen = replace(
        one.seen if one.seen.time > _UNDATED else two.seen,
        lba=lba,
        digest=digest_of(data),
        clean=flagged is not None and not flagged.any(),
        independent=one.seen.independent and two.seen.independent,
    )
    return Witness(data, flagged, seen)


def of_source(witnesses: Iterable[Witness], number: int) -> list[Witness]:
    """The witnesses of source `number` of several: what has no date of its own gets one, so that
    the same bytes from two sources are two readings.
    """
    return [
        one
        if one.seen.time > _UNDATED
        else replace(one, seen=replace(one.seen, time=one.seen.time - _APART * number))
        for one in witnesses
    ]


def kept_witness(row: Row, lba: int, number: int = 0, *, c2: bool = False) -> Witness:
    """A sector that came without complaint as a witness, one of several that are alike.

    `c2`: its drive would have flagged what is wrong.
    """
    seen = Observation(lba, -1.0 - number, 0.0, 0, -1, digest_of(row), None, c2, independent=True)
    return Witness(row, np.zeros(len(row), np.bool_) if c2 else None, seen)
