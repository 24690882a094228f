# SPDX-License-Identifier: Apache-2.0
"""The host process of a virtual drive: one drive, several clients, on a socket."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.errors import AlreadyThere, BadInput, DriveLost, NotAvailable, OperatorError
from imagerd.devices.scsi import Command, Direction, Reply
from imagerd.devices.transport import open_transport
from imagerd.devices.virtual.client import SocketTransport, VirtualControl
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.host import HostProcess, spawn_host
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.protocol import REQUEST, Kind, pack_command
from imagerd.devices.virtual.server import Server, bind
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.devices.virtual.trace import Trace
from tests.sources import data as data_track
from tests.sources import memory_blocks, memory_disc
from tests.virtual_commands import MUCH, poll, read_10, read_cd, send, sense_of

HANG = "[[sectors]]\nwhat = 'hang'\nlba = 3\nseconds = 60.0"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: a socket's path has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="imagerd-") as name:
        yield Path(name)


@contextlib.contextmanager
def serving(
    path: Path, drive: VirtualDrive | None = None, trace: Trace | None = None
) -> Iterator[VirtualControl]:
    """A server in a thread of this process."""
    drive = drive if drive is not None else VirtualDrive()
    server = Server(drive, "test", bind(path), trace)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield VirtualControl(path)
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert not path.exists()


def loaded_drive(time_scale: float = 0.0, sectors: int = 300) -> VirtualDrive:
    drive = VirtualDrive(time_scale=time_scale)
    drive.insert(memory_disc([data_track(sectors)]))
    assert poll(drive) == "06/28/00"
    return drive


def test_replies_over_the_socket_are_those_of_the_drive(folder: Path) -> None:
    path = folder / "d.sock"
    here = loaded_drive()
    with serving(path, loaded_drive()), SocketTransport(path) as there:
        assert there.max_transfer == here.max_transfer
        assert there.name == f"virtual:{path}"
        for cdb in (
            [0] * 6,
            [0x12, 0, 0, 0, 96, 0],
            [0x43, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            read_cd(5, 26),
            read_cd(290, 26),
            read_10(299, 4),
            [0x77] * 10,
        ):
            mine, theirs = send(here, cdb, MUCH), send(there, cdb, MUCH)
            assert bytes(theirs.data) == bytes(mine.data)
            assert theirs.sense == mine.sense
            assert (theirs.status, theirs.seconds) == (mine.status, mine.seconds)


def test_data_out_arrives(folder: Path) -> None:
    body = bytes(8) + bytes((0x01, 0x0A, 0x01, 0x05)) + bytes(8)
    select = Command(bytes((0x55, 0x10, 0, 0, 0, 0, 0, 0, len(body), 0)), Direction.OUT, 0, body)
    with serving(folder / "d.sock"), SocketTransport(folder / "d.sock") as drive:
        assert drive.execute(select).ok
        assert bytes(send(drive, [0x1A, 0, 0x01, 0, 255, 0]).data)[7] == 5


def test_a_transport_is_opened_by_its_address(folder: Path) -> None:
    with serving(folder / "d.sock", loaded_drive()):
        drive = open_transport(f"virtual:{folder}/d.sock")
        assert poll(drive) == "ok"
        drive.close()
        drive.close()
        with pytest.raises(DriveLost):
            poll(drive)


def test_nobody_there_is_a_lost_drive(folder: Path) -> None:
    with pytest.raises(DriveLost, match="nowhere"):
        SocketTransport(folder / "nowhere.sock")
    with pytest.raises(DriveLost):
        VirtualControl(folder / "nowhere.sock").state()


def test_images_go_in_and_come_out_by_control_messages(folder: Path) -> None:
    image = folder / "disc.iso"
    blocks = np.random.default_rng(1).integers(0, 256, (60, 2048), np.uint8)
    image.write_bytes(blocks.tobytes())
    with serving(folder / "d.sock") as control, SocketTransport(folder / "d.sock") as drive:
        assert poll(drive) == "02/3A/01"
        state = control.insert(image, "[[sectors]]\nwhat = 'unreadable'\nlba = 9")
        assert (state.medium, state.image, state.tray_open) == ("cd", str(image), False)
        assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]
        assert bytes(send(drive, read_10(3, 5)).data) == blocks[3:8].tobytes()
        bad = send(drive, read_10(3, 20), MUCH)
        assert sense_of(bad) == "03/11/05"
        assert bytes(bad.data) == blocks[3:9].tobytes()
        assert control.press_eject().moved
        assert control.state().tray_open
        assert control.state().image == str(image)
        assert not control.close_tray().tray_open
        send(drive, [0x1E, 0, 0, 0, 1, 0])  # the unit attention
        send(drive, [0x1E, 0, 0, 0, 1, 0])
        assert control.state().locked
        assert not control.press_eject().moved
        state = control.remove()
        assert (state.medium, state.image, state.tray_open) == ("", "", True)
        assert poll(drive) == "02/3A/02"


def test_a_disc_laid_on_the_open_tray_is_loaded_when_the_drive_closes_it(folder: Path) -> None:
    image = folder / "disc.iso"
    image.write_bytes(bytes(2048 * 20))
    with serving(folder / "d.sock") as control, SocketTransport(folder / "d.sock") as drive:
        with pytest.raises(BadInput, match="closed"):
            control.place(image)
        with pytest.raises(BadInput, match="closed"):
            control.take()
        send(drive, [0x1B, 0, 0, 0, 2, 0])
        with pytest.raises(BadInput, match="no disc"):
            control.take()
        state = control.place(image, "[[sectors]]\nwhat = 'unreadable'\nlba = 9")
        assert (state.image, state.tray_open, state.insertions) == (str(image), True, 0)
        assert poll(drive) == "02/3A/02"
        with pytest.raises(BadInput, match="already"):
            control.place(image)
        send(drive, [0x1B, 0, 0, 0, 3, 0])
        assert control.state().insertions == 1
        assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]
        assert sense_of(send(drive, read_10(3, 9), MUCH)) == "03/11/05"
        send(drive, [0x1B, 0, 0, 0, 2, 0])
        assert control.take().image == ""
        send(drive, [0x1B, 0, 0, 0, 3, 0])
        assert poll(drive) == "02/3A/01"


def test_what_cannot_be_inserted_is_refused_in_a_sentence_and_changes_nothing(
    folder: Path,
) -> None:
    image = folder / "disc.iso"
    image.write_bytes(bytes(2048 * 20))
    with serving(folder / "d.sock") as control:
        control.insert(image)
        with pytest.raises(OperatorError, match="missing"):
            control.insert(folder / "missing.iso")
        with pytest.raises(BadInput, match="flaky"):
            control.insert(image, "[[sectors]]\nwhat = 'flaky'\nlba = 9")
        with pytest.raises(NotAvailable, match="plan"):
            control.insert(image, folder / "plan.toml")
        assert control.state().image == str(image)
        plan = folder / "plan.toml"
        plan.write_text("[[sectors]]\nwhat = 'broken'\nlba = 9", encoding="utf-8")
        with pytest.raises(BadInput, match=r"plan\.toml"):
            control.insert(image, plan)


def test_a_planned_hang_is_a_timeout_of_the_host_side(folder: Path) -> None:
    drive = VirtualDrive()
    drive.insert(memory_blocks(20), FaultPlan.parse(HANG))
    with serving(folder / "d.sock", drive), SocketTransport(folder / "d.sock") as client:
        poll(client)
        reply = send(client, read_10(3, 1), timeout=5.0)
        assert reply.timed_out
        assert reply.seconds == 5.0
        assert send(client, read_10(4, 1)).ok


def test_pulling_the_plug_ends_a_command_that_hangs(folder: Path) -> None:
    drive = VirtualDrive(realtime=True)
    drive.insert(memory_blocks(20), FaultPlan.parse(HANG))
    lost: list[bool] = []

    def read(client: SocketTransport) -> None:
        with contextlib.suppress(DriveLost):
            send(client, read_10(3, 1), timeout=100.0)
            return
        lost.append(True)

    with serving(folder / "d.sock", drive) as control:
        with SocketTransport(folder / "d.sock") as client:
            assert poll(client) == "06/28/00"
            thread = threading.Thread(target=read, args=(client,))
            thread.start()
            while control.state().commands < 2:
                time.sleep(0.005)
            assert not control.unplug().plugged
            thread.join(20)
            assert lost == [True]
            with pytest.raises(DriveLost):
                poll(client)
            with pytest.raises(DriveLost, match="plug"):
                SocketTransport(folder / "d.sock")
            control.replug()
            with pytest.raises(DriveLost):  # an old handle stays dead
                poll(client)
        with SocketTransport(folder / "d.sock") as anew:
            assert [poll(anew), poll(anew)] == ["06/29/00", "ok"]


def test_an_open_handle_stays_dead_after_the_plug_was_out(folder: Path) -> None:
    path = folder / "d.sock"
    with serving(path, loaded_drive()) as control, SocketTransport(path) as idle:
        control.unplug()
        control.replug()
        with pytest.raises(DriveLost):
            poll(idle)


def test_a_host_that_does_not_answer_in_time_is_a_timeout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerd.devices.virtual.client._PATIENCE", 0.05)
    drive = loaded_drive()
    execute = VirtualDrive.execute

    def late(self: VirtualDrive, command: Command) -> Reply:
        if command.cdb[0] == 0x25:
            time.sleep(0.5)
        return execute(self, command)

    monkeypatch.setattr(VirtualDrive, "execute", late)
    path = folder / "d.sock"
    with serving(path, drive) as control, SocketTransport(path) as client:
        assert send(client, [0x25] + [0] * 9, timeout=0.05).timed_out
        assert poll(client) == "ok"  # on a new connection, in step
        assert control.state().plugged


def test_several_clients_share_one_drive(folder: Path) -> None:
    source = memory_disc([data_track(300)])
    failures: list[object] = []

    def read(seed: int) -> None:
        rng = random.Random(seed)
        with SocketTransport(folder / "d.sock") as drive:
            for _ in range(100):
                lba = rng.randrange(270)
                reply = send(drive, read_cd(lba, 26), MUCH)
                if bytes(reply.data) != source.raw[1][lba : lba + 26].tobytes():
                    failures.append((lba, reply.sense))

    with serving(folder / "d.sock", loaded_drive()):
        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []


def test_clients_that_die_at_any_byte_leave_the_drive_in_order(folder: Path) -> None:
    path = folder / "d.sock"
    frame = pack_command(Command(bytes(read_cd(0, 26)), Direction.IN, MUCH), 1)
    with serving(path, loaded_drive()), SocketTransport(path) as survivor:
        for cut in range(len(frame) + 1):
            with socket.socket(socket.AF_UNIX) as victim:
                victim.connect(str(path))
                victim.sendall(frame[:cut])
        for taken in (1, 30, 5000, 61152):
            with socket.socket(socket.AF_UNIX) as victim:
                victim.connect(str(path))
                victim.sendall(frame)
                victim.recv(taken)
        assert poll(survivor) == "ok"
        assert len(send(survivor, read_cd(0, 26), MUCH).data) == 26 * 2352


def test_garbage_ends_the_connection_only(folder: Path) -> None:
    path = folder / "d.sock"
    huge = REQUEST.pack(Kind.COMMAND, 6, 0, 1, 0, 0xFFFFFFFF, 1.0, b"")
    control = REQUEST.pack(Kind.CONTROL, 0, 0, 1, 0, 3, 0.0, b"") + b"{]x"
    nobody = REQUEST.pack(9, 0, 0, 1, 0, 0, 0.0, b"")
    no_direction = REQUEST.pack(Kind.COMMAND, 6, 7, 1, 0, 0, 1.0, bytes(6))
    with serving(path, loaded_drive()), SocketTransport(path) as survivor:
        for garbage in (huge, nobody, no_direction, os.urandom(REQUEST.size)):
            with socket.socket(socket.AF_UNIX) as odd:
                odd.connect(str(path))
                odd.sendall(garbage)
                odd.shutdown(socket.SHUT_WR)
                while odd.recv(4096):
                    pass
        with socket.socket(socket.AF_UNIX) as odd:
            odd.connect(str(path))
            odd.sendall(control)
            assert odd.recv(4096)[0] == Kind.ERROR
        assert poll(survivor) == "ok"


def test_a_client_that_does_not_read_keeps_nobody_waiting(folder: Path) -> None:
    path = folder / "d.sock"
    frame = pack_command(Command(bytes(read_cd(0, 300)), Direction.IN, MUCH), 1)
    with serving(path, loaded_drive()), socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(path))
        for _ in range(20):
            deaf.sendall(frame)
        with SocketTransport(path) as other:
            assert poll(other) == "ok"


def test_a_trace_has_a_line_for_each_reading_command(folder: Path) -> None:
    path = folder / "trace"
    drive = VirtualDrive()
    plan = FaultPlan.parse("[[sectors]]\nwhat = 'unreadable'\nlba = 7\n" + HANG)
    drive.insert(memory_blocks(20), plan)
    with (
        serving(folder / "d.sock", drive, Trace(path)) as control,
        SocketTransport(folder / "d.sock") as client,
    ):
        poll(client)
        send(client, read_10(5, 4))
        send(client, read_10(3, 1), timeout=1.0)
        send(client, read_10(0, 2))
        control.unplug()
        with pytest.raises(DriveLost):
            send(client, read_10(0, 2))
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    assert [line[1:] for line in lines] == [
        ["28", "5", "4", "03/11/05", "4096"],
        ["28", "3", "1", "timeout"],
        ["28", "0", "2", "ok", "4096"],
        ["28", "0", "2", "lost"],
    ]
    assert all(float(line[0]) > 1e9 for line in lines)


# -- the socket in the file system ------------------------------------------------------------


def test_a_served_socket_is_not_taken_away(folder: Path) -> None:
    path = folder / "d.sock"
    with serving(path, loaded_drive()) as control:
        with pytest.raises(AlreadyThere, match=r"d\.sock"):
            bind(path)
        assert control.state().plugged


def test_a_stale_socket_is_replaced_and_other_files_are_not(folder: Path) -> None:
    path = folder / "d.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with serving(path) as control:
        assert control.state().name == "test"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(AlreadyThere, match="no socket"):
        bind(path)
    assert path.read_text(encoding="utf-8") == "precious"
    with pytest.raises(NotAvailable):
        bind(folder / "no" / "such" / "folder.sock")
    with pytest.raises(NotAvailable):
        bind(folder / ("x" * 200))


# -- as a process -----------------------------------------------------------------------------


@pytest.fixture
def host(folder: Path) -> Iterator[HostProcess]:
    started = spawn_host(folder / "p.sock", "process", profile="plextor")
    yield started
    started.stop()


def test_a_host_process_serves_until_it_is_told_to_end(folder: Path, host: HostProcess) -> None:
    state = host.control.state()
    assert (state.pid, state.name) == (host.pid, "process")
    assert os.getsid(host.pid) == host.pid
    with SocketTransport(folder / "p.sock") as drive:
        assert b"PLEXTOR" in bytes(send(drive, [0x12, 0, 0, 0, 96, 0]).data)
        os.kill(host.pid, signal.SIGTERM)
        assert host.wait(10)
        with pytest.raises(DriveLost):
            poll(drive)
    assert not (folder / "p.sock").exists()


def test_a_killed_host_leaves_a_stale_socket_that_the_next_one_takes(
    folder: Path, host: HostProcess
) -> None:
    os.kill(host.pid, signal.SIGKILL)
    assert host.wait(10)
    assert (folder / "p.sock").is_socket()
    again = spawn_host(folder / "p.sock", "again")
    assert again.control.state().name == "again"
    again.control.quit()
    assert again.wait(10)
    assert not (folder / "p.sock").exists()


def test_a_host_whose_parent_has_not_asked_how_it_ended_has_ended_all_the_same() -> None:
    script = "sleep 0.2 & echo $!; exec sleep 30"  # which never waits for its child
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert HostProcess(pid, VirtualControl("/nowhere")).wait(5.0)
            assert Path(f"/proc/{pid}").exists()
        finally:
            parent.kill()


def test_a_host_that_cannot_start_says_why(folder: Path, host: HostProcess) -> None:
    with pytest.raises(NotAvailable, match="Another virtual drive"):
        spawn_host(folder / "p.sock", "second")
    assert host.control.state().name == "process"
    with pytest.raises(NotAvailable, match="no-such-profile"):
        spawn_host(folder / "q.sock", "odd", profile="no-such-profile")
    assert not (folder / "q.sock").exists()


def test_a_host_survives_clients_killed_while_they_read(folder: Path, host: HostProcess) -> None:
    image = folder / "disc.iso"
    image.write_bytes(os.urandom(2048 * 500))
    host.control.insert(image)
    script = (
        "import sys\n"
        "from imagerd.devices.scsi import Command, Direction\n"
        "from imagerd.devices.virtual.client import SocketTransport\n"
        "drive = SocketTransport(sys.argv[1])\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    drive.execute(Command(bytes((0xBE,0,0,0,0,0,0,0,26,0xF8,0,0)), Direction.IN, 99999))\n"
    )
    rng = random.Random(1)
    for _ in range(3):
        victim = subprocess.Popen(
            [sys.executable, "-c", script, str(folder / "p.sock")], stdout=subprocess.PIPE
        )
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"go\n"
        time.sleep(rng.random() / 20)
        victim.kill()
        victim.wait(10)
        victim.stdout.close()
    with SocketTransport(folder / "p.sock") as drive:
        while poll(drive) != "ok":
            pass
        assert bytes(send(drive, read_10(0, 10)).data) == image.read_bytes()[: 10 * 2048]


def test_profiles_for_the_host_may_be_files(folder: Path) -> None:
    path = folder / "mine.toml"
    path.write_text("product = 'MY DRIVE'\nspin_up = 0.5\n", encoding="utf-8")
    assert DriveProfile.load(str(path)).product == "MY DRIVE"
    started = spawn_host(folder / "m.sock", "mine", profile=path, trace=folder / "trace")
    try:
        with SocketTransport(folder / "m.sock") as drive:
            assert b"MY DRIVE" in bytes(send(drive, [0x12, 0, 0, 0, 96, 0]).data)
    finally:
        started.stop()
    assert (folder / "trace").exists()
