# SPDX-License-Identifier: Apache-2.0
"""What to try next, derived from how a job went. Each piece of advice tells the fact behind it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.picture.marking import counted, grouped
from imagerd.recovery.picture.scheme import STATES
from imagerd.recovery.picture.surface import state_picture
from imagerd.recovery.report import Report
from imagerd.recovery.sectormap import NOT_GOOD, RangeSet, SectorMap

_MOST = 0.9  # of the bad sectors are "almost all"
_EDGE = 0.12  # of the recorded band is its rim, or its inner edge
_NARROW = 1 / 6  # of a turn: damage on one side, beside what a whole block fails for it
_BROAD = 0.7  # and not more than that
_SLOW = 4  # times 1x


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, why that may help, and how it is typed, if it is."""

    what: str
    why: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What the advice is about. `bad`: the sectors that are not good, nor bad on purpose."""

    report: Report
    sectors: SectorMap
    layout: Layout
    bad: tuple[range, ...]

    @property
    def count(self) -> int:
        """Of bad sectors."""
        return sum(map(len, self.bad))

    def share(self, *reasons: Why) -> float:
        """The part of the bad sectors that have one of these reasons."""
        words, meant = [why.word for why in reasons], expected_of(self.report)
        hit = (bad for bad in self.report.bad if bad.why in words and bad.lba not in meant)
        return sum(bad.count for bad in hit) / self.count


def advise(report: Report, sectors: SectorMap, layout: Layout) -> tuple[Advice, ...]:
    """What to try next; nothing where there is nothing left to get."""
    case = Case(report, sectors, layout, tuple(_bad(report, sectors)))
    if not case.count:
        return ()
    return tuple(piece for rule in RULES for piece in rule(case))


def expected_of(report: Report) -> RangeSet:
    """The sectors that are bad on purpose."""
    return RangeSet(
        range(lba, lba + count)
        for found in report.protection
        if found.channel == "sectors"
        for lba, count in found.expected
    )


def _bad(report: Report, sectors: SectorMap) -> Iterator[range]:
    meant = expected_of(report)
    for run in sectors.ranges(NOT_GOOD):
        at = run.start
        for hole in meant:
            if at < (end := min(hole.start, run.stop)):
                yield range(at, end)
            at = max(at, hole.stop)
            if at >= run.stop:
                break
        if at < run.stop:
            yield range(at, run.stop)


def _link(case: Case) -> Iterator[Advice]:
    if case.share(Why.TRANSPORT) > 0.05:
        yield Advice(
            "Check cable, power and USB hub of the drive first.",
            "Commands failed on the way to the drive, not on the disc.",
        )


def _unfinished(case: Case) -> Iterator[Advice]:
    unread = case.sectors.count(SectorState.UNREAD)
    ends = [step.end for run in case.report.runs for step in run.passes if step.end]
    command = _retry(case)
    if ends and ends[-1] == "time":
        left = (
            f", and {counted(unread, 'sector was', 'sectors were')} never tried" if unread else ""
        )
        yield Advice(
            "Go on: the time that damage may cost was used up.",
            f"The last run ended by its budget{left}. A new run has a fresh one.",
            command,
        )
    elif unread:
        yield Advice(
            "Let the job come to its end.",
            f"{counted(unread, 'sector was', 'sectors were')} never tried.",
            command,
        )


def _place(case: Case) -> Iterator[Advice]:
    """Where the damage lies on the disc, by radius."""
    geometry = Geometry(case.layout)
    weights = np.array([len(part) for part in case.bad], np.float64)
    radii = geometry.radii([(part.start + part.stop) // 2 for part in case.bad]) * 1e3
    inner = geometry.spiral.inner * 1e3
    outer = float(geometry.radii([edge for lbas in geometry.layers for edge in _ends(lbas)]).max())
    outer *= 1e3
    band = outer - inner
    if band < 5.0:
        return
    rim = outer - _EDGE * band
    if weights[radii > rim].sum() >= _MOST * case.count:
        yield Advice(
            "Clean the rim, from the hub outwards in straight lines, and try another drive.",
            f"Almost all of the damage lies beyond {rim:.0f} mm, at the edge of what is recorded:"
            " fingerprints, a warp or rot that creeps in are the usual reasons, and drives differ"
            " most there.",
        )
    elif weights[radii < inner + _EDGE * band].sum() >= _MOST * case.count:
        yield Advice(
            "Look for cracks at the hub, and try a drive that clamps the disc otherwise.",
            f"Almost all of the damage lies within {inner + _EDGE * band:.0f} mm, near the hub.",
        )


def _ends(lbas: range) -> tuple[int, ...]:
    return (lbas[0], lbas[-1]) if lbas else ()


def _shape(case: Case) -> Iterator[Advice]:
    """Whether the damage lies on one side, or runs along the tracks."""
    if expected_of(case.report):
        return
    cells = state_picture(case.sectors, case.layout).discs
    loud = np.any([disc.cells > STATES.calm for disc in cells], axis=0)
    rings, around = np.flatnonzero(loud.any(axis=1)), loud.any(axis=0)
    geometry = Geometry(case.layout)
    block = geometry.spiral.block / geometry.sectors_per_turn(case.bad[len(case.bad) // 2].start)
    if len(rings) >= 10 and 1 - _widest_gap(around) <= min(_NARROW + 2 * block, _BROAD):
        yield Advice(
            "Look for a scratch or a print on one side of the disc; clean or polish it.",
            f"All of the damage lies within {_degrees(around)}° of the disc, across many turns."
            " Scratches on the side that is read can be polished; those in the label cannot.",
        )
    elif len(rings) and np.ptp(rings) < 10 and len(loud) > 100 and around.mean() > 0.7:
        yield Advice(
            "Try drives of other makes: the damage is a ring along the track.",
            "Such damage is longer than what error correction spans, and drives lose the track"
            " there; some pass over it where others stop.",
        )


def _widest_gap(around: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The part of a turn that the widest stretch without damage takes."""
    at = np.flatnonzero(around)
    gaps = np.diff(np.concatenate((at, at[:1] + len(around)))) - 1
    return float(gaps.max() / len(around))


def _degrees(around: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return round(360 * (1 - _widest_gap(around)))


def _ways(case: Case) -> Iterator[Advice]:
    """What helped before."""
    gains = case.report.gains
    total = sum(gain.sectors for gain in gains)
    slow = sum(gain.sectors for gain in gains if 0 < gain.times <= _SLOW)
    if total and slow >= 0.6 * total:
        yield Advice(
            "Give all rounds to slow speeds: [policy.budget] retry_speeds = [4, 2, 1], and retry.",
            f"Of {counted(total, 'sector')} that came in special ways of reading,"
            f" {grouped(slow)} came at {_SLOW}x or slower.",
            _retry(case),
        )
    raw = sum(gain.sectors for gain in gains if gain.as_audio or gain.uncorrected)
    if raw:
        yield Advice(
            "Keep to a drive that gives raw sectors, as this one does.",
            f"{counted(raw, 'sector')} came only when the drive's own correction was passed by.",
        )


def _drive(case: Case) -> Iterator[Advice]:
    if case.share(Why.TIMEOUT) > 0.3:
        yield Advice(
            "Try a drive of another make: this one hangs on the damage.",
            "Many bad sectors ended in a timeout, which costs time and gives nothing.",
        )
    elif case.share(Why.REFUSED) > 0.3:
        locked = any((bad.sense or "").startswith("05/6F") for bad in case.report.bad)
        yield Advice(
            "Try a drive of another make: this one refuses the addresses.",
            "The disc asks for an authentication that imagerd does not give."
            if locked
            else "It may hold the disc to be shorter than it is, or the sectors to be of another"
            " kind.",
        )
    else:
        yield Advice(
            "Put the disc into another drive, of another make if there is one.",
            "Drives differ in what they can read of a damaged disc. The job goes on there with what"
            " is bad only.",
            _retry(case),
        )


def _copies(case: Case) -> Iterator[Advice]:
    main = next(
        (f.name for f in case.report.files if f.name.endswith((".cue", ".iso"))), "FIRST.cue"
    )
    suffix = main[-4:]
    yield Advice(
        "Read another copy of the disc, and make one whole image of both.",
        "Damage seldom hits two copies in the same place: what one has lost the other fills, and"
        " damaged data sectors of CDs are put together byte by byte.",
        f"imagerctl merge {shlex.quote(main)} OTHER{suffix} -o WHOLE{suffix}",
    )


def _retry(case: Case) -> str:
    return f"imagerctl retry {shlex.quote(case.report.job[:8])}" if case.report.job else ""


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (
    _link,
    _unfinished,
    _place,
    _shape,
    _ways,
    _drive,
    _copies,
)
