# SPDX-License-Identifier: Apache-2.0
"""What bytes that came are worth: proven, plainly read, or suspect, and why.

A data sector proves itself by sync, address and EDC, whatever C2 says of it. Audio proves nothing;
C2 and the address in Q can only cast doubt on it. (ECMA-130, clauses 14 and 22.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import DiscType, Layout, TrackMode
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import Bytes2D, Sectors, SectorState, States
from imagerd.recovery.c2tally import C2Tally
from imagerd.recovery.evidence import Why
from imagerd.recovery.scrambled import descrambled
from imagerd.sectors.edc import mode1_edc_ok
from imagerd.sectors.geometry import SYNC_ROW, Flags, lba_msf
from imagerd.sectors.subchannel import q_crc_ok, q_of
from imagerd.sectors.verify import EdcState, SectorKind, check_data, header_ok, sync_ok

_GAP = 225  # sectors before a change from data to audio that may be either (ECMA-130, clause 20)
_SLACK = 4  # sectors that an imprecise drive's Q may lag or lead
_FORMS = (SectorKind.MODE2_FORM1, SectorKind.MODE2_FORM2)
_LEARN = 8  # sectors whose Q must agree before its shift is believed
_OFTEN = 3  # blocks that must be out of step before that counts as the drive's manner
_SYNC_BYTES_NEEDED = 8  # of 12


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch whose sectors are of one kind: a command never crosses its ends.

    A `loose` zone may hold either: the end of a track is the pause of the next one, which the
    table of contents does not tell. `formless`: mode 2 without forms may occur, which has no EDC.
    """

    begin: int
    end: int
    data: bool
    loose: bool = False
    formless: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """(n,) states, and (n,) of `Why`: the reason where a row is SUSPECT. `data` as corrected."""

    data: Bytes2D
    states: States
    why: npt.NDArray[np.uint8]

    @property
    def plain(self) -> bool:
        """Whether nothing is doubtful."""
        return not self.why.any()


def zones(layout: Layout) -> tuple[Zone, ...]:
    """The zones of a disc in order."""
    result: list[Zone] = []
    for session in layout.sessions:
        for number, track in enumerate(session.tracks):
            end = min(track.end, session.lead_out)
            following = session.tracks[number + 1 : number + 2]
            gap = end
            if layout.is_cd and following and following[0].is_data != track.is_data:
                gap = max(end - _GAP, track.index1)
            # On a disc that says it is XA or CD-i a missing subheader is damage.
            formless = track.mode is TrackMode.MODE2 and layout.disc_type is DiscType.CDDA_OR_ROM
            result.append(Zone(track.start, gap, track.is_data, formless=formless))
            # Many drives refuse a command that reaches into the pause itself, the last 150.
            pause = max(end - PREGAP, gap)
            result.append(Zone(gap, pause, track.is_data, True, formless))
            result.append(Zone(pause, end, track.is_data, True, formless))
    return tuple(zone for zone in result if zone.begin < zone.end)


_BEGIN = attrgetter("begin")


class Judge:
    """Judges blocks of one disc read by one drive.

    Learns on the way how far the drive's Q is shifted, and what its C2 says of data (`c2`).
    """

    def __init__(self, layout: Layout) -> None:
        self._is_cd = layout.is_cd
        self._zones = zones(layout)
        self._xa: set[int] = set()  # zones in which sectors with a form were proven
        self._lag = _Lag()
        self.c2 = C2Tally(layout)

    def zone_at(self, lba: int) -> Zone:
        """The zone of `lba`; raises `ValueError` between sessions."""
        index = bisect_right(self._zones, lba, key=_BEGIN) - 1
        if index >= 0 and lba < self._zones[index].end:
            return self._zones[index]
        raise ValueError(f"LBA {lba} lies in no track")

    def judge(self, block: Sectors, *, as_audio: bool = False) -> Verdict:
        """The worth of a block that lies in one zone. `as_audio`: it was asked for as CD-DA."""
        states = np.full(len(block), SectorState.READ, np.uint8)
        why = np.zeros(len(block), np.uint8)
        verdict = Verdict(block.data, states, why)
        if not self._is_cd:
            return verdict
        zone = self.zone_at(block.lba)
        if as_audio and zone.data:
            verdict = Verdict(descrambled(block), states, why)
        self._judge_raw(verdict, block, zone)
        if not as_audio:
            self.c2.add(block.lba, states == SectorState.PROVEN, why == Why.EDC, block.c2)
        if as_audio and zone.data:
            why[states != SectorState.PROVEN] = Why.EDC  # asked for what it is not, it must prove
        states[why != Why.NONE] = SectorState.SUSPECT
        return verdict

    def _judge_raw(self, verdict: Verdict, block: Sectors, zone: Zone) -> None:
        if _mode1_at_once(verdict.data, block.lba):
            verdict.states[:] = SectorState.PROVEN
            return
        is_data = np.full(len(block), zone.data and not zone.loose, np.bool_)
        if not is_data.all():
            is_data = sync_ok(verdict.data)
            if zone.data:
                is_data |= _like_data(verdict.data, block.lba)
        if is_data.any():
            self._judge_data(verdict, block, zone, is_data)
        if not is_data.all():
            self._judge_audio(verdict, block, ~is_data)

    def _judge_data(self, verdict: Verdict, block: Sectors, zone: Zone, rows: Flags) -> None:
        """Rows of data: a right EDC beats C2, which only counts where there is no EDC."""
        found = check_data(verdict.data, block.lba, parity=False)
        verdict.states[rows & found.proven] = SectorState.PROVEN
        if np.isin(found.kind[found.proven], _FORMS).any():
            self._xa.add(zone.begin)
        if block.c2 is not None:
            verdict.why[rows & ~found.proven & block.c2.any(axis=1)] = Why.C2
        wrong = found.wrong
        if not zone.formless or zone.begin in self._xa:
            wrong |= found.kind == SectorKind.MODE2
        verdict.why[rows & wrong] = Why.EDC
        elsewhere = found.sync_ok & ~found.header_ok & (found.edc != EdcState.WRONG)
        verdict.why[rows & elsewhere] = Why.ADDRESS

    def _judge_audio(self, verdict: Verdict, block: Sectors, rows: Flags) -> None:
        if block.sub is not None:
            verdict.why[rows & self._misplaced(block.sub, block.lba)] = Why.ADDRESS
        if block.c2 is not None:
            verdict.why[rows & block.c2.any(axis=1)] = Why.C2

    def _misplaced(self, sub: Bytes2D, lba: int) -> Flags:
        """Rows whose Q, right by its CRC, names another place."""
        q, lag = q_of(sub), self._lag
        if lag.shift is not None and _as_expected(q, lba + lag.shift):
            lag.agrees(len(q))
            return np.zeros(len(q), np.bool_)
        known, address = q_addresses(q)
        off = address - np.arange(lba, lba + len(sub))
        lag.learn(off[known])
        wrong: Flags = known & (np.abs(off - (lag.shift or 0)) > lag.slack)
        return wrong


class _Lag:
    """How far a drive's Q is out of step with its sectors, learned from one block after another.

    `shift` is what most blocks say, None before any did. `slack` is what it may differ by: nothing,
    until a tenth of the blocks, and three, were out of step by a little. So a drive that slips once
    is told from one whose Q wobbles, of which only the first few blocks look doubtful.
    """

    def __init__(self) -> None:
        self.shift: int | None = None
        self.slack = 0
        self._votes: Counter[int] = Counter()
        self._blocks = self._wobbly = 0

    def agrees(self, count: int) -> None:
        """A block of `count` sectors was just as `shift` says."""
        if self.shift is not None and count >= _LEARN:
            self._blocks += 1
            self._votes[self.shift] += 1

    def learn(self, off: npt.NDArray[np.int64]) -> None:
        """Learn from a block whose readable positions are `off` by so many sectors."""
        if len(off) < _LEARN or np.abs(off).max() > _SLACK:
            return
        self._blocks += 1
        if np.all(off == off[0]):
            told = int(off[0])
            self._votes[told] += 1
            if self.shift is None or self._votes[told] > self._votes[self.shift]:
                self.shift = told
        if np.any(off != (self.shift or 0)):
            self._wobbly += 1
            if self._wobbly >= _OFTEN and self._wobbly * 10 >= self._blocks:
                self.slack = _SLACK


def _like_data(raw: Bytes2D, lba: int) -> Flags:
    """Rows without a sync that seem to be damaged data, not audio: most of a sync, or the header.

    Samples just below zero are full of FF; but then what follows is no address.
    """
    mode_known = (raw[:, 15] & 0x1F) < 3
    named = (raw[:, 12:15] == lba_msf(lba, len(raw))).all(axis=1)
    synced = (raw[:, :12] == SYNC_ROW).sum(axis=1) >= _SYNC_BYTES_NEEDED
    like: Flags = mode_known & (named | (synced & header_ok(raw)))
    return like


def _as_expected(q: Bytes2D, lba: int) -> bool:
    """Whether every position is the one of its row: no need to look at CRCs."""
    right = np.all(q[:, 7:10] == lba_msf(lba, len(q)), axis=1)
    return bool((right | (q[:, 0] & 15 != 1)).all())


def q_addresses(q: Bytes2D) -> tuple[Flags, npt.NDArray[np.int64]]:
    """Of (n, 12) Q: which rows hold a position with a right CRC, and its absolute address as LBA.

    Rows of the lead-in (track 0), other ADRs and wrong BCD are not known. Addresses from 90:00:00
    on are those of an overlong disc.
    """
    known = (q[:, 0] & 15 == 1) & (q[:, 1] != 0) & bcd_ok(q[:, 7:10])
    known[known] = q_crc_ok(q[known])
    minute, second, frame = from_bcd(q[:, 7:10]).T
    return known, (minute * 60 + second) * 75 + frame - PREGAP


def bcd_ok(values: Bytes2D) -> Flags:
    """(n,): whether all bytes of each row are BCD."""
    right: Flags = np.all((values & 15 <= 9) & (values >> 4 <= 9), axis=1)
    return right


def from_bcd(values: Bytes2D) -> npt.NDArray[np.int64]:
    """BCD bytes as numbers."""
    return (values >> 4).astype(np.int64) * 10 + (values & 15)


def _mode1_at_once(raw: Bytes2D, lba: int) -> bool:
    """The common case at speed: mode 1, every sync, address and EDC right."""
    if not (raw[:, 15] == 1).all() or not (raw[:, :12] == SYNC_ROW).all():
        return False
    return bool((raw[:, 12:15] == lba_msf(lba, len(raw))).all() and mode1_edc_ok(raw).all())
