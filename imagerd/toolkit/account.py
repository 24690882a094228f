# SPDX-License-Identifier: Apache-2.0
"""What was known of an image's sectors when it was made, and the image as a source that heeds it.

A sector that could not be read holds filling in the image, and 2048 bytes of filling look like any
others. The catalog, or a map file beside the image, remembers; with their account the image is
read as the disc was: what was not read is FAILED again, for every verb.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout
from imagerd.disc.ranges import NOWHERE, Extent, from_mask
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.formats.written import MARKER

_SHORTEST = 2048  # bytes of the shortest stored form; behind, there may be subchannel


class Origin(StrEnum):
    """Who gives the account."""

    CATALOG = "catalog"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Account:
    """What `origin` knows; LBAs are those of the image, which opens as a disc of its own.

    `where`: the catalog or the map file, for people. `lost`: not read, holds filling. `doubtful`:
    bytes came, and may be wrong. `unclear`: one or the other, which a map file does not tell: what
    looks like filling is lost, else doubtful. `repaired`: computed by parity. `senses`: the sense
    of lost ranges, where it is known. `files`: the SHA-256 that files (by name) must have.
    """

    origin: Origin
    where: str
    lost: Extent = NOWHERE
    doubtful: Extent = NOWHERE
    unclear: Extent = NOWHERE
    repaired: Extent = NOWHERE
    senses: tuple[Fault, ...] = ()
    files: tuple[tuple[str, str], ...] = ()

    @property
    def bad(self) -> Extent:
        """All that is lost or doubtful."""
        return Extent.of((*self.lost.ranges, *self.doubtful.ranges, *self.unclear.ranges))

    @property
    def sentence(self) -> str:
        """The account in words; empty if all was well."""
        parts = [
            (self.lost, "could not be read and hold filling"),
            (self.doubtful, "may be wrong"),
            (self.unclear, "were not read well"),
        ]
        said = [f"{_sectors(extent.count)} {what}" for extent, what in parts if extent]
        return f"{self.where} says: {', '.join(said)}." if said else ""


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account in a result; `bad`: sectors that were not read, or not read well."""

    origin: Origin
    where: str
    bad: Extent
    repaired: Extent
    sentence: str

    @classmethod
    def of(cls, account: Account | None) -> AccountSummary | None:
        """Of an account, if there is one."""
        if account is None:
            return None
        said = account.sentence
        return cls(account.origin, account.where, account.bad, account.repaired, said)


class _Areas:
    """LBA ranges that can be asked quickly, however many there are."""

    def __init__(self, extent: Extent) -> None:
        self._ranges = extent.ranges
        self._stops = [area.stop for area in extent.ranges]

    def rows(self, block: Sectors) -> npt.NDArray[np.bool_] | None:
        """Which rows of `block` lie in them; None if none does."""
        at = bisect_right(self._stops, block.lba)
        if at == len(self._ranges) or self._ranges[at].start >= block.end:
            return None
        mask = np.zeros(len(block), np.bool_)
        while at < len(self._ranges) and self._ranges[at].start < block.end:
            area = self._ranges[at]
            mask[max(0, area.start - block.lba) : area.stop - block.lba] = True
            at += 1
        return mask


class AccountedSource:
    """`source` with the states that `account` gives: states only ever fall.

    The bytes are those of `source`. Closing it closes the source.
    """

    def __init__(self, source: SectorSource, account: Account) -> None:
        self._source = source
        self._bad = _Areas(account.bad)
        self._lost = _Areas(account.lost)
        self._unclear = _Areas(account.unclear)
        self._senses = account.senses
        self._ends = [fault.lba + fault.count for fault in account.senses]

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads, with what is known to be lost FAILED and faults that say so."""
        block = self._source.read(lba, count)
        bad = self._bad.rows(block)
        return block if bad is None else self._heeded(block, bad)

    def _heeded(self, block: Sectors, bad: npt.NDArray[np.bool_]) -> Sectors:
        lost = self._lost.rows(block)
        if lost is None:
            lost = np.zeros(len(block), np.bool_)
        unclear = self._unclear.rows(block)
        if unclear is not None:
            rows = np.flatnonzero(unclear)
            lost[rows] |= _filling(block.data[rows])
        states = block.states.copy()
        states[bad] = np.minimum(states[bad], SectorState.SUSPECT)
        newly = lost & (states > SectorState.FAILED)
        states[lost] = np.minimum(states[lost], SectorState.FAILED)
        faults = [self._fault(area) for area in from_mask(block.lba, newly)]
        return replace(block, states=states, faults=(*block.faults, *faults))

    def _fault(self, area: range) -> Fault:
        at = bisect_right(self._ends, area.start)
        known = self._senses[at : at + 1]
        sense = known[0].sense if known and known[0].lba < area.stop else None
        return Fault(area.start, len(area), FaultKind.FILLING, sense)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def accounted(source: SectorSource, account: Account | None) -> SectorSource:
    """`source` heeding the account, if there is anything in it to heed."""
    if account is None or not account.bad:
        return source
    return AccountedSource(source, account)


def _filling(rows: Bytes2D) -> npt.NDArray[np.bool_]:
    """Which rows hold a filling: one byte all over (ddrescue leaves zeros), or our marker."""
    marker = np.frombuffer(MARKER, np.uint8)
    same: npt.NDArray[np.bool_] = (rows[:, :_SHORTEST] == rows[:, :1]).all(axis=1)
    same |= (rows[:, : len(marker)] == marker).all(axis=1)
    return same


def _sectors(count: int) -> str:
    return "1 sector" if count == 1 else f"{count} sectors"


def relative_names(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Files by their name as an account has it: relative to the image's folder."""
    root = folder.resolve()
    found: dict[str, Path] = {}
    for file in files:
        path = file.resolve()
        if path.is_relative_to(root):
            found[str(path.relative_to(root))] = file
    return found
