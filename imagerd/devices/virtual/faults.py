# SPDX-License-Identifier: Apache-2.0
"""Fault plans: what is wrong with a disc and its drive, known beforehand and deterministic.

The outcome of attempt `k` on LBA `L` depends on the plan's seed, `L` and `k` alone (and, where the
plan says so, on the speed and on where the head came from). An attempt is a physical read: what
the drive's buffer answers is none.

A plan is for whoever judges the reader; the reader never sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.answers import UNREADABLE
from imagerd.devices.virtual.surface import SurfaceFault


class What(StrEnum):
    """Kinds of bad sectors."""

    UNREADABLE = "unreadable"  # for good, or for the first `times` attempts
    FLAKY = "flaky"  # readable with probability p
    SLOW = "slow"  # readable, after `seconds`
    WRONG = "wrong"  # other bytes than those on the disc, and no word of it
    C2 = "c2"  # raw reads: corrupted bytes with C2 bits; user data: an error
    HANG = "hang"  # no answer for `seconds`


class Approach(StrEnum):
    """Where the head was before: at this very sector, a little before or after it, or far off."""

    AGAIN = "again"
    FORWARD = "forward"
    BACKWARD = "backward"
    SEEK = "seek"


class DriveTrouble(StrEnum):
    """What may happen to the drive as a whole."""

    TIMEOUT = "timeout"  # the command is never answered
    HANG = "hang"  # it is answered `seconds` later
    RESET = "reset"  # 06/29/00, buffer and settings lost
    LOST = "lost"  # gone until plugged in again


@dataclass(frozen=True, slots=True)
class Better:
    """Another probability of reading a flaky sector, where both conditions hold."""

    p: float
    max_speed: int | None = None  # kB/s: at this speed or slower
    approach: Approach | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorFault:
    """One thing that is wrong with the sectors of `areas`.

    `every` and `width`: of each `every` sectors of an area only the first `width` are hit, as by a
    radial scratch. `times`: only the first so many attempts suffer. `p` is the probability that a
    flaky sector reads, or that a wrong or C2 sector is corrupted. `bytes` are corrupted, the same
    ones at each attempt if `stable`; the share `missed` of them has no C2 bit. `refused`: raw
    reads of a C2 sector fail as well. `then`: what follows a hang.
    """

    what: What
    areas: tuple[range, ...]
    every: int = 1
    width: int = 1
    times: int | None = None
    sense: Sense = UNREADABLE
    seconds: float | None = None
    p: float = 1.0
    better: tuple[Better, ...] = ()
    bytes: int = 16
    stable: bool = False
    missed: float = 0.0
    refused: bool = False
    then: str = "answer"

    def lbas(self) -> Iterator[int]:
        """The sectors hit."""
        for area in self.areas:
            for start in range(area.start, area.stop, self.every):
                yield from range(start, min(start + self.width, area.stop))

    def hits(self, lba: int) -> bool:
        """Whether `lba` is one of them."""
        return any(lba in a and (lba - a.start) % self.every < self.width for a in self.areas)

    @property
    def final(self) -> bool:
        """Whether no attempt can ever succeed."""
        if self.times is not None:
            return False
        if self.what is What.FLAKY:
            return max([self.p, *(better.p for better in self.better)]) <= 0
        return (
            self.what is What.UNREADABLE
            or (self.what is What.C2 and self.refused and self.p >= 1)
            or (self.what is What.HANG and self.then != "answer")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveFault:
    """Trouble with the drive when a count or an address is reached, `times` times in a row.

    `command` and `read` count all commands and reading commands since the insertion, from 1;
    `lba` is reached by a reading command that covers it.
    """

    what: DriveTrouble
    command: int | None = None
    read: int | None = None
    lba: int | None = None
    seconds: float = 0.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All that is wrong with one insertion of one disc."""

    sectors: tuple[SectorFault, ...] = ()
    drive: tuple[DriveFault, ...] = ()
    seed: int = 0
    surface: tuple[SurfaceFault, ...] = ()

    @classmethod
    def load(cls, path: Path) -> FaultPlan:
        """A plan from a TOML file; see docs/virtual-drive.md. Raises `OperatorError`s."""
        from imagerd.devices.virtual.faultfile import load_plan

        return load_plan(path)

    @classmethod
    def parse(cls, text: str, where: str = "fault plan") -> FaultPlan:
        """A plan from TOML text; `where` names it in a `BadInput`."""
        from imagerd.devices.virtual.faultfile import parse_plan

        return parse_plan(text, where)

    def unreadable(self) -> frozenset[int]:
        """The LBAs that no command can ever read."""
        return _lbas(fault for fault in self.sectors if fault.final)

    def corrupting(self) -> frozenset[int]:
        """The LBAs whose bytes may come wrong from a raw read that succeeds."""
        return _lbas(f for f in self.sectors if f.what in (What.WRONG, What.C2) and f.p > 0)

    def never_right(self) -> frozenset[int]:
        """The LBAs whose right bytes cannot be had: unreadable, or corrupted at every attempt."""
        always = _lbas(
            fault
            for fault in self.sectors
            if fault.what in (What.WRONG, What.C2) and fault.p >= 1 and fault.times is None
        )
        return self.unreadable() | always


def _lbas(faults: Iterable[SectorFault]) -> frozenset[int]:
    return frozenset(lba for fault in faults for lba in fault.lbas())


NO_FAULTS = FaultPlan()
