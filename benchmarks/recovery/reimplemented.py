# SPDX-License-Identifier: Apache-2.0
"""The schedules of other people's programs, written anew from their descriptions.

Not the programs: those that Debian has run themselves in the guest (`real.py`). Here they have the
same drive in the same process, so that all discs can be read, and they get the best of the doubt: a
data sector that comes with a wrong EDC is not counted as their mistake, but as lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.recovery.bench import Bench, Client, Held, OutOfTime
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.reading import ReadRequest
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import Bytes2D, FaultKind
from imagerd.sectors.scramble import scramble
from imagerd.sectors.verify import check_data

_CLUSTER = 32
_SAMPLES = 588


class _Blocks:
    """An image of 2048 bytes a sector in the making, as through the kernel's block layer."""

    def __init__(self, bench: Bench, drive: OpticalDrive) -> None:
        self.bench, self.drive = bench, drive
        self.raw = bench.disc.content == "audio"
        self.count = drive.layout.end
        self.rows: Bytes2D = np.zeros((self.count, 2352 if self.raw else 2048), np.uint8)
        self.state = np.full(self.count, ord("?"), np.uint8)

    def read(self, lba: int, count: int) -> int:
        """Read; how many sectors came in front."""
        most = self.drive.max_sectors()
        got = 0
        while got < count:
            step = min(most, count - got)
            result = self.drive.attempt(ReadRequest(lba + got, step, raw=self.raw))
            block = result.sectors
            came = 0 if block is None else len(block)
            if block is not None:
                self.rows[lba + got : lba + got + came] = block.data
                self.state[lba + got : lba + got + came] = ord("+")
            got += came
            self.bench.claim(int(np.count_nonzero(self.state == ord("+"))))
            if came < step:
                break
        return got

    def held(self) -> Held:
        """What it has in the end."""
        return Held(self.rows, self.state == ord("+"))

    def runs(self, state: str) -> list[range]:
        """Stretches of one state."""
        return from_mask(0, self.state == ord(state))


def _to_the_end(work: Callable[[], None]) -> None:
    with contextlib.suppress(OutOfTime):
        work()


def ddrescue(retries: int) -> Client:
    """GNU ddrescue 1.27 on blocks of 2048 bytes: copying in five passes, trimming, scraping, -r."""

    def client(bench: Bench, drive: OpticalDrive, folder: Path) -> Held:
        blocks = _Blocks(bench, drive)
        _to_the_end(lambda: _ddrescue(blocks, retries))
        return blocks.held()

    return client


def _ddrescue(blocks: _Blocks, retries: int) -> None:
    _copy(blocks, skipping=True)
    for run in reversed(blocks.runs("?")):  # pass 2: backwards, each area up to its first error
        end = run.stop
        while end > run.start:
            begin = max(end - _CLUSTER, run.start)
            if not _cluster(blocks, begin, end - begin):
                break
            end = begin
    _copy(blocks, skipping=False)
    for run in blocks.runs("*"):
        _trim(blocks, run)
    for run in blocks.runs("/"):
        for lba in run:
            if not blocks.read(lba, 1):
                blocks.state[lba] = ord("-")
    for number in range(retries) if retries >= 0 else iter(int, 1):
        bad = np.flatnonzero(blocks.state == ord("-")).tolist()
        for lba in bad if number % 2 else bad[::-1]:
            blocks.read(lba, 1)
        if not bad:
            return


def _copy(blocks: _Blocks, *, skipping: bool) -> None:
    least = max(_CLUSTER, blocks.count // 100_000)
    most = max(blocks.count // 100, least)
    at, skip = 0, least
    while (run := next((r for r in blocks.runs("?") if r.stop > at), None)) is not None:
        at = max(at, run.start)
        count = min(_CLUSTER, run.stop - at)
        if _cluster(blocks, at, count):
            skip, at = least, at + count
        else:
            at += count
            if skipping:
                at, skip = at + skip, min(skip * 2, most)


def _cluster(blocks: _Blocks, lba: int, count: int) -> bool:
    got = blocks.read(lba, count)
    if got < count:
        part = blocks.state[lba + got : lba + count]
        part[part != ord("+")] = ord("*")
    return got == count


def _trim(blocks: _Blocks, run: range) -> None:
    last = run.stop
    for lba in run:
        if not blocks.read(lba, 1):
            blocks.state[lba], last = ord("-"), lba
            break
    for lba in range(run.stop - 1, last, -1):
        if not blocks.read(lba, 1):
            blocks.state[lba] = ord("-")
            break
    part = blocks.state[run.start : run.stop]
    part[part == ord("*")] = ord("/")


def readcd(retries: int = 128) -> Client:
    """readcd of cdrtools, -noerror: ten tries in place, then each after a seek elsewhere."""

    def client(bench: Bench, drive: OpticalDrive, folder: Path) -> Held:
        blocks = _Blocks(bench, drive)
        _to_the_end(lambda: _readcd(blocks, retries))
        return blocks.held()

    return client


def _readcd(blocks: _Blocks, retries: int) -> None:
    rng = np.random.default_rng(1)
    at = 0
    while at < blocks.count:
        count = min(26, blocks.count - at)
        at += blocks.read(at, count)
        if at < blocks.count and blocks.state[at] != ord("+"):
            if not _in_the_ladder(blocks, at, retries, rng):
                blocks.state[at] = ord("-")
            at += 1


def _in_the_ladder(blocks: _Blocks, lba: int, retries: int, rng: np.random.Generator) -> bool:
    for number in range(retries):
        if number >= 10:
            away = int(rng.integers(blocks.count))
            away = blocks.count - 1 if number % 8 == 0 else 0 if number % 4 == 0 else away
            before = blocks.state[away]
            blocks.read(away, 1)
            blocks.state[away] = before if before == ord("+") else blocks.state[away]
        if blocks.read(lba, 1):
            return True
    return False


def redumper(retries: int = 20) -> Client:
    """redumper: dump sector by sector as CD-DA with C2, then refine runs until the time is up.

    A sample is good once it was read without a C2 bit, and then stays. Where the drive gives no
    data as audio, the plain raw sector is read.
    """

    def client(bench: Bench, drive: OpticalDrive, folder: Path) -> Held:
        if not drive.layout.is_cd:
            blocks = _Blocks(bench, drive)
            _to_the_end(lambda: _redumper_dvd(blocks, retries))
            return blocks.held()
        dump = _Dump(bench, drive)
        _to_the_end(lambda: dump.work(retries))
        return dump.held()

    return client


def _redumper_dvd(blocks: _Blocks, retries: int) -> None:
    for at in range(0, blocks.count, _CLUSTER):
        blocks.read(at, min(_CLUSTER, blocks.count - at))
    while missing := np.flatnonzero(blocks.state != ord("+")).tolist():
        for lba in missing:
            for _ in range(retries):
                blocks.drive.flush_cache(lba)
                if blocks.read(lba, 1):
                    break


class _Dump:
    """A dump of samples, each with what is known of it."""

    def __init__(self, bench: Bench, drive: OpticalDrive) -> None:
        self.bench, self.drive = bench, drive
        count = drive.layout.end
        self.rows: Bytes2D = np.zeros((count, 2352), np.uint8)
        self.good = np.zeros((count, _SAMPLES), np.bool_)
        self.scrambled = bench.disc.is_data
        drive.probe_read_features()
        probe = drive.attempt(ReadRequest(16, 1, as_audio=True)) if self.scrambled else None
        if probe is not None and probe.fault and probe.fault.kind is FaultKind.REFUSED:
            self.scrambled = False

    def work(self, retries: int) -> None:
        """The dump, then refines."""
        for lba in range(len(self.rows)):
            self._read(lba)
        while missing := np.flatnonzero(~self.good.all(axis=1)).tolist():
            for lba in missing:
                for number in range(retries):
                    if number:
                        self.drive.flush_cache(lba)
                    self._read(lba)
                    if self.good[lba].all():
                        break

    def _read(self, lba: int) -> None:
        request = ReadRequest(lba, 1, c2=True, as_audio=self.scrambled)
        block = self.drive.attempt(request).sectors
        if block is None:
            return
        row = block.data[0]
        bad = np.zeros(_SAMPLES, np.bool_)
        if block.c2 is not None:
            bad = np.unpackbits(block.c2[0]).reshape(_SAMPLES, 4).any(axis=1)
        better = ~bad & ~self.good[lba]
        samples = self.rows[lba].reshape(_SAMPLES, 4)
        samples[better] = row.reshape(_SAMPLES, 4)[better]
        self.good[lba] |= ~bad
        if self.good[lba].all():
            self.bench.claim(int(np.count_nonzero(self.good.all(axis=1))))

    def held(self) -> Held:
        """Data descrambled; what its EDC disproves is not counted as good."""
        good = self.good.all(axis=1)
        if not self.bench.disc.is_data:
            return Held(self.rows, good)
        rows = scramble(self.rows) if self.scrambled else self.rows
        return Held(rows, good & check_data(rows, 0, parity=False).proven)
