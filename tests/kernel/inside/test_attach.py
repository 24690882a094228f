# SPDX-License-Identifier: Apache-2.0
"""Attached drives live, change their discs and go, whatever happens to their process."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imagerd.base.errors import AlreadyThere, BadInput, DriveLost, ImagerdError, NotAvailable
from imagerd.devices.scsi import Command, Direction, Reply
from imagerd.devices.transport import open_transport
from imagerd.devices.virtual.kernel import attached
from tests.kernel.inside.images import blank, folder, plan, volume
from tests.kernel.inside.machine import (
    Drive,
    drive,
    imagerctl,
    in_sysfs,
    insert,
    leftovers,
    processes,
    properties,
    tail_of_dmesg,
    tell,
    until,
)

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
def kept() -> Iterator[Drive]:
    """A drive for the tests that leave it as it is."""
    with drive(volume(), "second") as one:
        yield one
    assert not leftovers("second")


def send(node: str, cdb: bytes, length: int = 0, timeout: float = 30.0) -> Reply:
    transport = open_transport(node, exclusive=False)
    try:
        direction = Direction.IN if length else Direction.NONE
        reply = transport.execute(Command(cdb, direction, length, timeout=timeout))
        return Reply(reply.status, bytes(reply.data), reply.sense, reply.host_status)
    finally:
        transport.close()


def read_10(lba: int, count: int = 1) -> bytes:
    return struct.pack(">BBIBHB", 0x28, 0, lba, 0, count, 0)


def gone(name: str = "client") -> None:
    """Nothing is left of the drive, soon."""
    until(lambda: not leftovers(name), f"the end of {name}: {leftovers(name)}", 30)


def test_a_drive_outlives_the_shell_that_attached_it_and_goes_when_it_is_told_to() -> None:
    image = volume()
    script = f"exec imagerctl attach {image} --name client --json"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = subprocess.run(
        ["setsid", "sh", "-c", script],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    node = json.loads(shell.stdout)["state"]["node"]
    assert Path(node).is_block_device()
    device = in_sysfs(node)
    listed = json.loads(imagerctl("attach", "--list", "--json"))["drives"]
    assert [(one["name"], one["state"]["node"]) for one in listed] == [("client", node)]
    assert str(image) in imagerctl("attach", "--list")
    assert tell("dd", f"if={node}", "bs=2048", "skip=16", "count=1").find("CD001") >= 0
    assert f"detached client ({node})" in imagerctl("detach", node)
    gone()
    until(lambda: not device.exists(), "the end of the device")


def test_a_swap_is_an_eject_and_an_insertion_for_udev(kept: Drive) -> None:
    import pyudev

    one = kept
    insert(one, volume())
    monitor = pyudev.Monitor.from_netlink(pyudev.Context())
    monitor.filter_by("block")
    monitor.start()
    seen: list[dict[str, str]] = []

    def label() -> bool:
        while (device := monitor.poll(0)) is not None:
            seen.append(dict(device.properties))
        return properties(one.node).get("ID_FS_LABEL") == "ANOTHER"

    assert properties(one.node)["ID_FS_LABEL"] == "GUEST"
    one.swap(volume("ANOTHER"))
    until(lambda: label() and "ID_CDROM_MEDIA" in seen[-1], "the label of the other disc")
    with pytest.raises(ImagerdError):  # and the disc stays in
        one.swap(plan("broken", "no image"))
    assert not one.one.control.state().tray_open
    asked = [event for event in seen if event.get("DISK_EJECT_REQUEST")]
    changed = [event for event in seen if event.get("DISK_MEDIA_CHANGE")]
    assert asked, seen
    assert any("ID_CDROM_MEDIA" not in event for event in changed), changed
    assert changed[-1]["ID_CDROM_MEDIA"] == "1"
    one.swap(None)
    until(lambda: "ID_CDROM_MEDIA" not in properties(one.node), "the empty drive")


def test_a_disc_in_use_is_not_swapped_unless_by_force(kept: Drive, tmp_path: Path) -> None:
    one = kept
    insert(one, volume())
    tell("mount", "-o", "ro", one.node, tmp_path)
    try:
        with pytest.raises(NotAvailable, match="is mounted at"):
            one.swap(blank("blank", 300))
        with pytest.raises(NotAvailable, match="is mounted at"):
            attached.detach(one.one)
        assert any(tmp_path.iterdir())
        one.swap(blank("blank", 300), force=True)
        assert one.one.control.state().image.endswith("blank.iso")
    finally:
        tell("umount", "--lazy", tmp_path, ok=(0, 32))  # by force: systemd has done it


def test_a_killed_process_takes_its_drive_along_and_readers_get_errors() -> None:
    with drive(blank("long", 400_000)) as one:
        device = in_sysfs(one.node)
        reader = subprocess.Popen(
            ["dd", f"if={one.node}", "of=/dev/null", "bs=2048", "iflag=direct"],
            stderr=subprocess.PIPE,
        )
        time.sleep(1)
        os.kill(one.pid, signal.SIGKILL)
        gone()
        assert reader.wait(30) == 1
        assert reader.stderr is not None
        with reader.stderr:
            assert b"Input/output error" in reader.stderr.read()
        until(lambda: not device.exists(), "the end of the device")


def test_a_drive_whose_watchdog_died_too_is_stale_and_cleared_when_asked() -> None:
    with drive(volume()) as one:
        for pid, words in processes():
            if "imagerd.devices.virtual.kernel.watchdog" in words and "client" in words:
                os.kill(pid, signal.SIGKILL)
        os.kill(one.pid, signal.SIGKILL)
        until(lambda: attached.find("client").state is None, "the stale drive")
        assert "stale" in imagerctl("attach", "--list")
        with pytest.raises(AlreadyThere):
            attached.attach(volume(), name="client")
        assert "detached client" in imagerctl("detach", "--stale")
        gone()


def test_a_signal_ends_a_drive_in_order() -> None:
    with drive(volume()) as one:
        os.kill(one.pid, signal.SIGTERM)
        gone()


def test_a_drive_can_be_detached_while_its_disc_is_mounted(tmp_path: Path) -> None:
    with drive(volume()) as one:
        device = in_sysfs(one.node)
        tell("mount", "-o", "ro", one.node, tmp_path)
        attached.detach(one.one, force=True)
        gone()
        until(lambda: not os.path.ismount(tmp_path), "systemd, which unmounts it")
        until(lambda: not device.exists(), "the end of the device")


def test_a_command_that_the_drive_never_answers_is_aborted_and_the_drive_lives_on() -> None:
    faults = plan("silent", "[[drive]]\nwhat = 'timeout'\nlba = 100\n")
    with drive(blank("quiet", 3000), faults=faults) as one:
        began = time.monotonic()
        reply = send(one.node, read_10(100), 2048, timeout=2.0)
        assert reply.timed_out or not reply.ok, reply
        assert time.monotonic() - began < 60
        again = send(one.node, read_10(100), 2048)
        again = again if again.ok else send(one.node, read_10(100), 2048)  # after the reset
        assert again.ok, (again, tail_of_dmesg())
        assert again.data == bytes(2048)


def test_a_drive_is_detached_while_a_command_hangs() -> None:
    faults = plan("mute", "[[drive]]\nwhat = 'timeout'\nlba = 100\n")
    with drive(blank("quiet", 3000), faults=faults) as one:
        reader = subprocess.Popen(
            ["dd", f"if={one.node}", "of=/dev/null", "bs=2048", "skip=100", "iflag=direct"],
            stderr=subprocess.PIPE,
        )
        time.sleep(1)
        attached.detach(one.one)
        gone()
        assert reader.wait(60) == 1
        assert reader.stderr is not None
        reader.stderr.close()


def test_a_drive_that_a_plan_unplugs_is_gone_for_the_kernel_and_comes_back() -> None:
    faults = plan("unplug", "[[drive]]\nwhat = 'lost'\nlba = 100\n")
    with drive(blank("cable", 3000), faults=faults) as one:
        device = in_sysfs(one.node)
        with closing(open_transport(one.node, exclusive=False)) as held, pytest.raises(DriveLost):
            for _ in range(100):
                held.execute(Command(read_10(100), Direction.IN, 2048))
                time.sleep(0.1)
        until(lambda: not device.exists(), "the end of the device")
        one.one.control.replug()
        assert Path(one.node).exists()
        until(lambda: send(one.node, read_10(200), 2048).ok, "the drive to read again")


def test_what_does_not_come_is_told_as_residue_with_the_sectors_before_it(kept: Drive) -> None:
    faults = plan("scratch", "[[sectors]]\nwhat = 'unreadable'\nlba = 103\n")
    one = kept
    insert(one, blank("residue", 3000), faults)
    reply = send(one.node, read_10(100, 8), 8 * 2048)
    assert reply.sense is not None
    assert reply.sense.code == (3, 0x11, 5)
    assert reply.sense.information == 103
    assert len(reply.data) == 3 * 2048
    short = send(one.node, bytes.fromhex("12000000ff00"), 255)
    assert short.ok
    assert 36 <= len(short.data) < 255


def test_an_image_that_cannot_be_opened_leaves_nothing_behind() -> None:
    broken = plan("broken", "no image")
    for wrong, error in ((broken, ImagerdError), (folder() / "none.cue", ImagerdError)):
        with pytest.raises(error):
            attached.attach(wrong, name="client")
        gone()
    with pytest.raises(BadInput):
        attached.attach(volume(), name="client", faults=plan("bad", "[[sectors]]\n"))
    gone()
