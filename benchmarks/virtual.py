# SPDX-License-Identifier: Apache-2.0
"""The virtual drive, so that it is never what a test measures: ``python -m benchmarks.virtual``.

Peers in the same run: copying the same bytes in memory, sending them through a bare socket, and a
function that does nothing but make a reply. Every reply of many sectors is copied, as a reader
would; the drive itself hands out views where it can.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Row, best, markdown
from imagerd.devices.scsi import Command, Direction, Reply, Transport
from imagerd.devices.virtual.client import SocketTransport
from imagerd.devices.virtual.host import spawn_host
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import SectorFormat, TrackMode, single_track
from imagerd.disc.source import Bytes2D, Sectors
from imagerd.sectors.convert import to_raw

SECTORS = 26 * 1000
COUNT = 26
RAW = 2352
SHORT = 20_000
ROUNDS = 5
# Byte 9 and 10 of READ CD, bytes of a record
FORMS = {
    "2352": (0xF8, 0, RAW),
    "2352 + P-W": (0xF8, 1, RAW + 96),
    "2352 + C2 294": (0xFA, 0, RAW + 294),
    "2352 + C2 296 + P-W": (0xFC, 1, RAW + 296 + 96),
    "2048": (0x10, 0, 2048),
}


def _in(*cdb: int) -> Command:
    return Command(bytes(cdb), Direction.IN, 65536)


# What a kernel and the usual programs send again and again. LBA 10 is in the buffer.
SHORT_COMMANDS = {
    "TEST UNIT READY": Command(bytes(6)),
    "GET EVENT STATUS": _in(0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8, 0),
    "READ SUB-CHANNEL, position": _in(0x42, 2, 0x40, 1, 0, 0, 0, 0, 16, 0),
    "READ TOC": _in(0x43, 0, 0, 0, 0, 0, 0, 4, 0, 0),
    "MODE SENSE, page 2A": _in(0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0),
    "GET CONFIGURATION, all features": _in(0x46, 0, 0, 0, 0, 0, 0, 4, 0, 0),
    "READ(10), one sector": _in(0x28, 0, 0, 0, 0, 10, 0, 0, 1, 0),
    "READ CD, one sector + C2 + P-W": _in(0xBE, 0, 0, 0, 0, 10, 0, 0, 1, 0xFA, 1, 0),
}


class _Memory:
    """One track of raw sectors in memory."""

    def __init__(self, mode: TrackMode) -> None:
        rng = np.random.default_rng(1)
        self.layout = single_track(SECTORS, mode)
        if mode is TrackMode.AUDIO:
            self.raw: Bytes2D = rng.integers(0, 256, (SECTORS, RAW), np.uint8)
        else:
            user = rng.integers(0, 256, (SECTORS, 2048), np.uint8)
            self.raw = to_raw(user, SectorFormat.USER, mode, 0)

    def read(self, lba: int, count: int) -> Sectors:
        return Sectors.good(lba, self.raw[lba : lba + count], SectorFormat.RAW)

    def close(self) -> None:
        pass


def _ready(drive: Transport) -> Transport:
    while not drive.execute(Command(bytes(6))).ok:
        pass
    return drive


def _read_all(drive: Transport, parts: int, sub: int, record: int) -> Callable[[], None]:
    size = COUNT * record

    def work() -> None:
        into = bytearray(size)
        for lba in range(0, SECTORS, COUNT):
            place = lba.to_bytes(4, "big") + COUNT.to_bytes(3, "big")
            cdb = b"\xbe\0" + place + bytes((parts, sub, 0))
            into[:] = drive.execute(Command(cdb, Direction.IN, size)).data

    return work


def _copy_all(record: int) -> Callable[[], None]:
    size = COUNT * record
    data = np.random.default_rng(1).integers(0, 256, SECTORS * record, np.uint8).data

    def work() -> None:
        into = bytearray(size)
        for at in range(0, SECTORS * record, size):
            into[:] = data[at : at + size]

    return work


def _megabytes(size: int, seconds: float) -> str:
    return f"{size / seconds / 1e6:.0f} MB/s"


def _in_process() -> Iterator[Row]:
    drive = VirtualDrive()
    drive.insert(_Memory(TrackMode.MODE1))
    _ready(drive)
    for name, (parts, sub, record) in FORMS.items():
        times = best({"drive": _read_all(drive, parts, sub, record), "copy": _copy_all(record)}, 3)
        total = SECTORS * record
        yield Row(
            f"READ CD, 26 sectors of {name}",
            _megabytes(total, times["drive"]),
            f"copying {_megabytes(total, times['copy'])}",
            times["copy"] / times["drive"],
            target="≥ 500 MB/s",
            reached=total / times["drive"] >= 500e6,
        )
    drive.close()


def _other_discs() -> Iterator[Row]:
    """What costs more: audio at a read offset, sectors with faults."""
    from imagerd.devices.virtual.faults import FaultPlan
    from imagerd.devices.virtual.profile import DriveProfile

    plan = FaultPlan.parse("[[sectors]]\nwhat = 'slow'\nlba = 0\ncount = 26000\nseconds = 0.001")
    cases = {
        "audio at a read offset of 667": (TrackMode.AUDIO, 667, FaultPlan()),
        "data, a fault on every sector": (TrackMode.MODE1, 0, plan),
    }
    for name, (mode, offset, faults) in cases.items():
        drive = VirtualDrive(DriveProfile(read_offset=offset, cache_kb=0))
        drive.insert(_Memory(mode), faults)
        _ready(drive)
        seconds = best({"drive": _read_all(drive, 0xF8, 0, RAW)}, 3)["drive"]
        yield Row(f"READ CD, {name}", _megabytes(SECTORS * RAW, seconds))
        drive.close()


def _bare(command: Command) -> Reply:
    """The least that a transport does."""
    return Reply(data=bytes(min(command.length, 96)), seconds=0.0002)


def _repeat(work: Callable[[Command], Reply], command: Command) -> Callable[[], None]:
    def run() -> None:
        for _ in range(SHORT):
            work(command)

    return run


def _short_commands() -> Iterator[Row]:
    drive = VirtualDrive()
    drive.insert(_Memory(TrackMode.MODE1))
    _ready(drive)
    for name, command in SHORT_COMMANDS.items():
        contestants = {"drive": _repeat(drive.execute, command), "bare": _repeat(_bare, command)}
        times = best(contestants, 3)
        yield Row(
            f"{name}, in this process",
            f"{SHORT / times['drive']:,.0f}/s",
            f"making a reply {SHORT / times['bare']:,.0f}/s",
            times["bare"] / times["drive"],
            target="≥ 10,000/s",
            reached=SHORT / times["drive"] >= 10_000,
        )
    drive.close()


def _bare_socket() -> Callable[[], None]:
    """The same bytes through a socket pair, and a byte back for each command."""
    size = COUNT * RAW

    def answer(end: socket.socket) -> None:
        data = bytes(size)
        while end.recv(1):
            end.sendall(data)

    def work() -> None:
        here, there = socket.socketpair()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        thread = threading.Thread(target=answer, args=(there,))
        thread.start()
        into = bytearray(size)
        for _ in range(SECTORS // COUNT):
            here.send(b"x")
            here.recv_into(into, 0, socket.MSG_WAITALL)
        here.close()
        thread.join()
        there.close()

    return work


def _through_the_socket() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "disc.bin").write_bytes(_Memory(TrackMode.MODE1).raw.tobytes())
        (folder / "disc.cue").write_text(
            'FILE "disc.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'
        )
        host = spawn_host(folder / "drive.sock", "bench")
        try:
            host.control.insert(folder / "disc.cue")
            with SocketTransport(folder / "drive.sock") as drive:
                yield from _socket_rows(drive)
        finally:
            host.stop()


def _socket_rows(drive: Transport) -> Iterator[Row]:
    _ready(drive)
    times = best({"drive": _read_all(drive, 0xF8, 0, RAW), "socket": _bare_socket()}, ROUNDS)
    total = SECTORS * RAW
    yield Row(
        "READ CD through the host's socket",
        _megabytes(total, times["drive"]),
        f"a bare socket {_megabytes(total, times['socket'])}",
        times["socket"] / times["drive"],
        target="≥ 200 MB/s",
        reached=total / times["drive"] >= 200e6,
    )
    seconds = best({"drive": _repeat(drive.execute, SHORT_COMMANDS["TEST UNIT READY"])}, 3)["drive"]
    yield Row("TEST UNIT READY, through the host's socket", f"{SHORT / seconds:,.0f}/s")


def rows() -> Iterator[Row]:
    """Commands a second and MB/s, in this process and through the socket."""
    yield from _short_commands()
    yield from _in_process()
    yield from _other_discs()
    yield from _through_the_socket()


if __name__ == "__main__":
    print(markdown(list(rows())))
