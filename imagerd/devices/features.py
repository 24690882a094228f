# SPDX-License-Identifier: Apache-2.0
"""What a drive really gives beside the sectors: C2 pointers and subchannel, found out by reading.

Drives claim things in mode page 2Ah and in the CD Read feature that they do not do, and do things
that they do not claim, so both are tried on sectors that read well:

* C2: error field 01b (294 bytes) or 10b (296), by the length of what comes back;
* subchannel: raw P–W, believed if Q's CRC is right; else the formatted Q of 16 bytes, of no use
  to us but worth telling;
* both at once: Q's CRC is right at 2352 + C2 (the standard's order) or at 2352 (subchannel first);
  should Q decide nothing, the C2 zone decides, which is all zeros on good sectors.

A disc may be so worn that no place is without C2 errors: it needs them most. Then the length alone
speaks for C2, and Q alone for the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from imagerd.devices.mmc_read import RAW, SUB_RAW, ErrorField, ReadCd, SubSelect
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.sense import ILLEGAL_REQUEST
from imagerd.disc.layout import Layout
from imagerd.disc.source import Bytes2D
from imagerd.sectors.subchannel import q_crc_ok, q_of

C2_SIZE = 294
_SAMPLE = 8  # sectors read for one trial


class Sends(Protocol):
    """Sends a command, as a `Link` does."""

    def execute(self, command: Command) -> Reply:
        """One command."""
        ...


@dataclass(frozen=True, slots=True)
class ReadFeatures:
    """What READ CD can return. `error` and `sub` are the selections that work.

    `together`: C2 and raw subchannel come in one command, subchannel first if `sub_first`.
    `proven` is False if no sector could be read to find out: all else is then "no". `at`: the LBA
    of the good sectors that told it, None if the disc had none.
    """

    error: ErrorField = ErrorField.NONE
    sub: SubSelect = SubSelect.NONE
    together: bool = False
    sub_first: bool = False
    proven: bool = False
    at: int | None = field(default=None, compare=False)

    @property
    def c2(self) -> bool:
        """Whether C2 pointers can be had."""
        return self.error is not ErrorField.NONE

    @property
    def c2_size(self) -> int:
        """Bytes of C2 in a record: 0, 294 or 296."""
        return self.error.size

    @property
    def raw_sub(self) -> bool:
        """Whether raw P–W can be had."""
        return self.sub is SubSelect.RAW

    @property
    def order(self) -> str:
        """How a record with both is laid out."""
        if not self.together:
            return "not together"
        return "data, sub, C2" if self.sub_first else "data, C2, sub"

    def choose(self, *, c2: bool, sub: bool) -> tuple[ErrorField, SubSelect]:
        """What to ask READ CD for. C2 is preferred where both are wanted and only one can be."""
        error = self.error if c2 else ErrorField.NONE
        raw = SubSelect.RAW if sub and self.raw_sub else SubSelect.NONE
        if error is not ErrorField.NONE and raw is not SubSelect.NONE and not self.together:
            return error, SubSelect.NONE
        return error, raw

    def offsets(self, error: ErrorField, sub: SubSelect) -> tuple[int, int]:
        """Where C2 and subchannel begin in a record."""
        if self.sub_first and error is not ErrorField.NONE and sub is not SubSelect.NONE:
            return RAW + sub.size, RAW
        return RAW, RAW + error.size


NO_FEATURES = ReadFeatures()


def pointers(zone: Bytes2D) -> Bytes2D:
    """The 294 bytes of C2 pointers, copied out of a C2 zone of 294 or 296 bytes (n, size).

    The two bytes more are a block error byte (all pointers OR-ed) and a pad byte: first by MMC-6,
    but some drives put them last. A zone tells by itself which it is, as soon as a bit is set.
    """
    if zone.shape[1] == C2_SIZE:
        return zone.copy()
    first = zone[:, 2:].copy()
    last = zone[:, :C2_SIZE]
    trails = (zone[:, C2_SIZE] == np.bitwise_or.reduce(last, axis=1)) & (zone[:, C2_SIZE + 1] == 0)
    leads = (zone[:, 0] == np.bitwise_or.reduce(first, axis=1)) & (zone[:, 1] == 0)
    swapped = trails & ~leads
    first[swapped] = last[swapped]
    return first


def probe(link: Sends, layout: Layout) -> ReadFeatures:
    """Find out on a few good sectors of the disc; `NO_FEATURES` if none can be read."""
    doubtful: list[ReadFeatures] = []
    for lba in candidates(layout):
        if _read(link, ReadCd(lba, _SAMPLE)) is not None:
            found = _probe_at(link, lba)
            if found.proven:
                return found
            doubtful.append(found)
    if not doubtful:
        return NO_FEATURES
    best = max(doubtful, key=lambda found: (found.c2, found.together, found.raw_sub))
    return replace(best, proven=True)


def candidates(layout: Layout) -> Iterable[int]:
    """LBAs where to try, each of eight sectors of one track.

    They are spread over the larger tracks, away from their ends.
    """
    large = [t for t in layout.tracks if t.end - t.index1 >= 4 * _SAMPLE]
    for part in (2, 4, 8, 3):
        for track in large[:2] + large[-1:]:
            yield track.index1 + (track.end - track.index1) // part - _SAMPLE
    for track in layout.tracks[:2]:  # a disc of very short tracks
        if track.end - track.index1 >= _SAMPLE:
            yield track.index1


def _read(link: Sends, request: ReadCd) -> Bytes2D | None:
    """The records, if all came."""
    reply = link.execute(request.command())
    if not reply.ok or len(reply.data) != request.count * request.record:
        return None
    return np.frombuffer(reply.data, np.uint8).reshape(request.count, request.record).copy()


def _refuses(link: Sends, request: ReadCd) -> bool:
    """Whether the drive does not know such a command, rather than fail at these sectors."""
    sense = link.execute(request.command()).sense
    return sense is not None and sense.key == ILLEGAL_REQUEST


def _valid_q(records: Bytes2D, at: int) -> int:
    """How many records have a Q with a right CRC in the 96 bytes from `at`."""
    return int(q_crc_ok(q_of(np.ascontiguousarray(records[:, at : at + SUB_RAW]))).sum())


def _probe_at(link: Sends, lba: int) -> ReadFeatures:
    """Not `proven` if the sectors turn out not to be good: another place had better decide."""
    error, good = ErrorField.NONE, True
    for asked in (ErrorField.C2, ErrorField.C2_BLOCK):
        request = ReadCd(lba, _SAMPLE, error=asked)
        records = _read(link, request)
        if records is not None:
            error, good = asked, not records[:, RAW:].any()
            break
        good = good and _refuses(link, request)
    sub, good_sub = _probe_sub(link, lba)
    good = good and good_sub
    together = sub_first = False
    if error is not ErrorField.NONE and sub is SubSelect.RAW:
        request = ReadCd(lba, _SAMPLE, error=error, sub=SubSelect.RAW)
        records = _read(link, request)
        if records is not None:
            together, sub_first = _order(records, error, good=good)
        else:
            good = good and _refuses(link, request)
    return ReadFeatures(error, sub, together, sub_first, proven=good, at=lba if good else None)


def _probe_sub(link: Sends, lba: int) -> tuple[SubSelect, bool]:
    """The best form that comes, and whether that is the drive's doing, not the sectors'."""
    request = ReadCd(lba, _SAMPLE, sub=SubSelect.RAW)
    records = _read(link, request)
    if records is not None and _valid_q(records, RAW) >= _SAMPLE // 2:
        return SubSelect.RAW, True
    good = records is not None or _refuses(link, request)
    formatted = _read(link, ReadCd(lba, _SAMPLE, sub=SubSelect.Q))
    return SubSelect.NONE if formatted is None else SubSelect.Q, good


def _order(records: Bytes2D, error: ErrorField, *, good: bool) -> tuple[bool, bool]:
    """(whether both really came together, whether the subchannel comes first)."""
    standard, swapped = _valid_q(records, RAW + error.size), _valid_q(records, RAW)
    if standard != swapped:
        return True, swapped > standard
    if not good:
        return False, False
    c2_first = not records[:, RAW : RAW + error.size].any()
    sub_first = not records[:, RAW + SUB_RAW :].any()
    return c2_first != sub_first, sub_first
