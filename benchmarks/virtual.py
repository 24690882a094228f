# SPDX-License-Identifier: Apache-2.0
"""The virtual drive, so that it is never what a test measures: ``python -m benchmarks.virtual``.

Peers in the same run: copying the same bytes in memory, and sending them through a bare socket.
Every reply is copied, as a reader would; the drive itself hands out views where it can.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Row, best, markdown
from imagerd.devices.scsi import Command, Direction, Transport
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


def _short_commands(drive: Transport, name: str, least: int | None) -> Row:
    poll = Command(bytes(6))

    def work() -> None:
        for _ in range(SHORT):
            drive.execute(poll)

    rate = SHORT / best({"polls": work}, 3)["polls"]
    target = f"≥ {least:,}/s" if least else None
    reached = rate >= least if least else None
    return Row(f"TEST UNIT READY, {name}", f"{rate:,.0f}/s", target=target, reached=reached)


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
    yield _short_commands(drive, "through the host's socket", None)


def rows() -> Iterator[Row]:
    """Commands a second and MB/s, in this process and through the socket."""
    drive = VirtualDrive()
    drive.insert(_Memory(TrackMode.MODE1))
    yield _short_commands(_ready(drive), "in this process", 10_000)
    drive.close()
    yield from _in_process()
    yield from _other_discs()
    yield from _through_the_socket()


if __name__ == "__main__":
    print(markdown(list(rows())))
