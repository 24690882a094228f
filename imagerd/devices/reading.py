# SPDX-License-Identifier: Apache-2.0
"""Reading sectors: one command with its honest result, and a simple robust read built on it.

How much of a failed command's data counts: a drive that meets a bad sector has mostly sent the ones
before it, and the residue says how many bytes came. But some hosts and bridges report no residue at
all on an error, so a failed command that claims its full length gives nothing, and where the sense
data blames an LBA nothing from there on counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from imagerd.devices.features import ReadFeatures, pointers
from imagerd.devices.link import Link
from imagerd.devices.mmc_read import (
    RAW,
    READ_TIMEOUT,
    SUB_RAW,
    Read10,
    Read12,
    ReadCd,
    SectorType,
)
from imagerd.devices.modes import SYNC
from imagerd.devices.scsi import Reply, Sense
from imagerd.devices.sense import ILLEGAL_MODE_FOR_TRACK, fault_kind
from imagerd.disc.layout import Layout, SectorFormat, Session
from imagerd.disc.msf import PREGAP, Msf
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState, States
from imagerd.sectors.scramble import scramble
from imagerd.sectors.verify import check_data

TRANSFER_CAP = 64 * 1024  # larger commands gain nothing at a drive's speeds and lose more at damage
LARGEST_RECORD = RAW + 296 + SUB_RAW
_MOST = 2048  # sectors of one robust read: memory stays bounded whatever is asked for
_BLOCK = 2048
_PAUSE = 225  # sectors before a change of kind that may be of either (ECMA-130, clause 20)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One command to read `count` sectors from `lba`.

    `raw` gives 2352 bytes of a CD's sectors (READ CD); without it, and on media that have no raw
    form, 2048 (READ(10), READ(12)). `c2` and `sub` are honoured as far as the drive has them.
    `as_audio` asks for CD-DA whatever is there: data may come refused, or scrambled. `fua` goes
    past the cache, where the command can say so: READ CD cannot, so call `flush_cache` before.
    """

    lba: int
    count: int
    raw: bool = True
    c2: bool = False
    sub: bool = False
    as_audio: bool = False
    fua: bool = False
    timeout: float = READ_TIMEOUT


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What one command gave. `sectors` is the good prefix, None if it is empty.

    `fault` tells of the rest, None if there is none. `recovered` is the sense data of a drive that
    read all, but with effort (key 1): good data of a weak place.
    """

    lba: int
    count: int
    sectors: Sectors | None
    fault: Fault | None
    seconds: float
    recovered: Sense | None = None


@dataclass(frozen=True, slots=True)
class _Transfer:
    """`records` (n, record size) is a view of the transport's buffer: good until its next use."""

    records: Bytes2D
    fault: Fault | None
    reply: Reply


def good_records(reply: Reply, record: int, lba: int, count: int) -> int:
    """How many records of a reply to a read of `count` from `lba` count, by the rule above."""
    came = min(len(reply.data) // record, count)
    if reply.ok:
        return came
    if came == count:
        return 0
    sense = reply.sense
    if sense is not None and sense.information is not None:
        blamed = sense.information & 0xFFFFFFFF
        blamed -= (blamed >> 31) << 32
        if lba <= blamed < lba + count:
            came = min(came, blamed - lba)
    return came


class SectorReader:
    """Reads the sectors of one identified medium.

    `before` is called before every command, and raises if the medium is no longer the same (the
    command that learns of it gives no data, so its fault can be returned). `settle` waits for a
    drive that is not ready, and says whether it is worth going on.
    """

    def __init__(
        self,
        link: Link,
        layout: Layout,
        features: Callable[[], ReadFeatures],
        before: Callable[[], None],
        settle: Callable[[], bool],
    ) -> None:
        self._link = link
        self._layout = layout
        self._features = features
        self._before = before
        self._settle = settle
        self._cap = max(min(TRANSFER_CAP, link.transport.max_transfer), LARGEST_RECORD)
        self._cuts = _cuts(layout)

    def max_sectors(self, stored: SectorFormat) -> int:
        """Sectors that one command of `attempt` may ask for, whatever it asks beside the data."""
        size = LARGEST_RECORD if stored.size > _BLOCK + SUB_RAW else stored.size
        return max(1, self._cap // size)

    def attempt(self, request: ReadRequest) -> ReadResult:
        """Exactly one command. Raises `ValueError` if it is too large for one."""
        command, record, c2_at, sub_at = self._command(request)
        transfer = self._transfer(command, record, request)
        sectors = None
        if len(transfer.records):
            sectors = self._sectors(request, transfer.records, c2_at, sub_at)
        recovered = transfer.reply.sense if transfer.reply.ok else None
        return ReadResult(
            request.lba, request.count, sectors, transfer.fault, transfer.reply.seconds, recovered
        )

    def read(self, lba: int, count: int) -> Sectors:
        """As `SectorSource.read`: large commands; where one fails, its sectors one by one."""
        area = next((area for area in self._layout.ranges() if lba in area), None)
        if area is None or count < 1:
            raise ValueError(f"no sectors at LBA {lba}+{count} on this disc")
        stored = SectorFormat.RAW if self._layout.is_cd else SectorFormat.USER
        size = min(count, area.stop - lba, _MOST)
        out = np.empty((size, stored.size), np.uint8)
        states = np.full(size, SectorState.READ, np.uint8)
        faults: list[Fault] = []
        step = max(1, self._cap // stored.size)
        done = 0
        while done < size:
            at = lba + done
            end = min(done + step, size, self.next_cut(at) - lba)
            got, fault = self._fill(out[done:end], at)
            done += got
            if fault is not None:
                self._singly(out, states, faults, lba, range(done, end))
                done = end
        return Sectors(lba, stored, out, states, faults=tuple(faults))

    def next_cut(self, lba: int) -> int:
        """Where the kind of sector may change next: one command had better not reach across."""
        index = bisect_right(self._cuts, lba)
        return self._cuts[index] if index < len(self._cuts) else self._layout.end

    def _command(self, request: ReadRequest) -> tuple[ReadCd | Read10 | Read12, int, int, int]:
        """The command, the size of a record, and where C2 and subchannel lie (0: nowhere)."""
        lba, count, timeout = request.lba, request.count, request.timeout
        if not (self._layout.is_cd and request.raw):
            kind = Read10 if self._layout.is_cd and not request.fua else Read12
            command: ReadCd | Read10 | Read12 = kind(lba, count, request.fua, timeout)
            record, c2_at, sub_at = _BLOCK, 0, 0
        else:
            kind_wanted = SectorType.CDDA if request.as_audio else SectorType.ANY
            wanted = ReadCd(lba, count, type=kind_wanted, timeout=timeout)
            c2_at = sub_at = 0
            if request.c2 or request.sub:
                features = self._features()
                error, sub = features.choose(c2=request.c2, sub=request.sub)
                wanted = replace(wanted, error=error, sub=sub)
                at = features.offsets(error, sub)
                c2_at, sub_at = (at[0] if error else 0), (at[1] if sub else 0)
            command, record = wanted, wanted.record
        if count < 1 or count * record > self._cap:
            raise ValueError(f"{count} sectors of {record} bytes do not fit into one command")
        return command, record, c2_at, sub_at

    def _transfer(
        self, command: ReadCd | Read10 | Read12, record: int, request: ReadRequest
    ) -> _Transfer:
        self._before()
        reply = self._link.send(command.command())
        lba, count = request.lba, request.count
        good = good_records(reply, record, lba, count)
        records = np.frombuffer(reply.data, np.uint8, good * record).reshape(good, record)
        fault = None
        if good < count:
            kind = FaultKind.TRANSPORT if reply.ok else fault_kind(reply)
            sense = reply.sense.code if reply.sense is not None else None
            fault = Fault(lba + good, count - good, kind, sense, reply.seconds)
        return _Transfer(records, fault, reply)

    def _sectors(self, request: ReadRequest, records: Bytes2D, c2_at: int, sub_at: int) -> Sectors:
        raw = self._layout.is_cd and request.raw
        stored = SectorFormat.RAW if raw else SectorFormat.USER
        states: States = np.full(len(records), SectorState.READ, np.uint8)
        c2 = sub = None
        if c2_at:
            c2 = pointers(records[:, c2_at : c2_at + self._features().c2_size])
            states[c2.any(axis=1)] = SectorState.SUSPECT
        if sub_at:
            sub = records[:, sub_at : sub_at + SUB_RAW].copy()
        return Sectors(request.lba, stored, records[:, : stored.size].copy(), states, sub, c2)

    def _fill(self, out: Bytes2D, lba: int, *, as_audio: bool = False) -> tuple[int, Fault | None]:
        """One plain command straight into `out`; returns the good prefix's length."""
        request = ReadRequest(lba, len(out), as_audio=as_audio)
        command, record, _, _ = self._command(request)
        transfer = self._transfer(command, record, request)
        good = len(transfer.records)
        out[:good] = transfer.records
        return good, transfer.fault

    def _singly(
        self, out: Bytes2D, states: States, faults: list[Fault], first: int, rows: range
    ) -> None:
        """The rest of a failed command, sector by sector."""
        for row in rows:
            fault, states[row] = self._single(out[row : row + 1], first + row)
            if fault is None:
                continue
            left = slice(row, row + 1)
            if fault.kind is FaultKind.TIMEOUT:
                # Each further sector may cost as much again: this read is not the one to insist.
                left = slice(row, rows.stop)
                fault = replace(fault, count=rows.stop - row)
            out[left] = 0
            states[left] = SectorState.FAILED
            _add(faults, fault)
            if left.stop == rows.stop:
                break

    def _single(self, out: Bytes2D, lba: int) -> tuple[Fault | None, SectorState]:
        _, fault = self._fill(out, lba)
        if fault is None:
            return None, SectorState.READ
        not_ready = fault.kind is FaultKind.NOT_READY
        if fault.kind is FaultKind.TRANSPORT or (not_ready and self._settle()):
            _, fault = self._fill(out, lba)
        elif fault.sense == ILLEGAL_MODE_FOR_TRACK and self._layout.is_cd:
            # The pause between audio and data: of no type, to some drives, unless it is named.
            _, other = self._fill(out, lba, as_audio=True)
            if other is None:
                unscramble(out, lba)
                return None, self._worth_as_audio(out, lba)
        return fault, SectorState.READ if fault is None else SectorState.FAILED

    def _worth_as_audio(self, raw: Bytes2D, lba: int) -> SectorState:
        """What the sector `raw` (1, 2352), given as audio only, is worth.

        Where a data track has data, the drive vouches for nothing that it gives as audio.
        """
        track = self._layout.track_at(lba)
        if track is None or not track.is_data or check_data(raw, lba).proven[0]:
            return SectorState.READ
        following = self._layout.track_at(track.end)
        in_pause = following is not None and not following.is_data and lba >= track.end - _PAUSE
        return SectorState.READ if in_pause else SectorState.SUSPECT


def unscramble(raw: Bytes2D, lba: int) -> bool:
    """Unscramble the sector `raw` (1, 2352) in place if it is a data sector as it lies on disc.

    That is so if it has a sync and its header names `lba` only after the scrambler. Returns
    whether it was.
    """
    header = Msf.from_lba(lba).to_bcd()
    if raw[0, :12].tobytes() != SYNC or raw[0, 12:15].tobytes() == header:
        return False
    plain = scramble(raw)
    if plain[0, 12:15].tobytes() != header:
        return False
    raw[:] = plain
    return True


def _add(faults: list[Fault], fault: Fault) -> None:
    """Append `fault`, or let the last one grow if it is of the same nature and adjacent."""
    last = faults[-1] if faults else None
    if (
        last is not None
        and last.lba + last.count == fault.lba
        and (last.kind, last.sense) == (fault.kind, fault.sense)
    ):
        faults[-1] = replace(
            last, count=last.count + fault.count, seconds=last.seconds + fault.seconds
        )
    else:
        faults.append(fault)


def _cuts(layout: Layout) -> list[int]:
    """LBAs that no command should reach across: where audio and data meet, and 150 before."""
    cuts: set[int] = set()
    for session in layout.sessions:
        cuts.add(session.lead_out)
        if layout.is_cd:
            cuts |= _changes(session)
    return sorted(cuts)


def _changes(session: Session) -> set[int]:
    cuts: set[int] = set()
    for before, after in zip(session.tracks, session.tracks[1:], strict=False):
        if before.is_data != after.is_data:
            cuts |= {after.index1, max(after.index1 - PREGAP, before.index1)}
    return cuts
