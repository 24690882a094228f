# SPDX-License-Identifier: Apache-2.0
"""Device nodes: finding drives in sysfs, opening them, and saying why that fails."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from pathlib import Path

import pytest

from imagerd.base.errors import BadInput, DriveLost, ImagerdError, NotAvailable
from imagerd.devices import drives
from imagerd.devices.drives import DriveNode, Sysfs, limit_of, list_drives
from imagerd.devices.holders import holders, mounted_at, refusal
from imagerd.devices.sgio import SgIoHeader, SgTransport, _open
from imagerd.devices.transport import open_transport

OFFSETS = {
    "interface_id": 0, "dxfer_direction": 4, "cmd_len": 8, "mx_sb_len": 9, "iovec_count": 10,
    "dxfer_len": 12, "dxferp": 16, "cmdp": 24, "sbp": 32, "timeout": 40, "flags": 44,
    "pack_id": 48, "usr_ptr": 56, "status": 64, "masked_status": 65, "msg_status": 66,
    "sb_len_wr": 67, "host_status": 68, "driver_status": 70, "resid": 72, "duration": 76,
    "info": 80,
}  # fmt: skip


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="offsets of 64-bit machines")
def test_the_header_is_the_kernels() -> None:
    assert ctypes.sizeof(SgIoHeader) == 88
    found = {name: getattr(SgIoHeader, name).offset for name, *_ in SgIoHeader._fields_}
    assert found == OFFSETS


class Machine:
    """A /sys and a /dev in a folder."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        for folder in ("block", "class/scsi_generic", "devices"):
            (self.sys / folder).mkdir(parents=True)
        (self.dev / "disk/by-id").mkdir(parents=True)

    def add(self, number: str, *, sr: str = "", sg: str = "", kind: int = 5) -> None:
        """A SCSI device with its nodes."""
        device = self.sys / "devices" / number
        device.mkdir()
        for name, text in (("type", kind), ("vendor", "ACME    "), ("model", "DRIVE "), ("rev", 7)):
            (device / name).write_text(f"{text}\n")
        for node, folder, base in ((sr, "block", "block"), (sg, "scsi_generic", "")):
            if not node:
                continue
            entry = device / folder / node
            (entry / "queue").mkdir(parents=True)
            (entry / "queue/max_sectors_kb").write_text("512\n")
            (entry / "device").symlink_to(device)
            (self.sys / (base or "class/scsi_generic") / node).symlink_to(entry)
            (self.dev / node).touch()

    def link(self, name: str, node: str) -> Path:
        link = self.dev / "disk/by-id" / name
        link.symlink_to(Path("../..") / node)
        return link

    def list(self) -> tuple[DriveNode, ...]:
        return list_drives(sys=self.sys, dev=self.dev)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestListing:
    def test_a_machine_without_drives(self, tmp_path: Path, machine: Machine) -> None:
        assert machine.list() == ()
        assert list_drives(sys=tmp_path / "no", dev=tmp_path / "no") == ()

    def test_drives_come_in_order_with_all_their_names(self, machine: Machine) -> None:
        machine.add("1:0:0:0", sr="sr10", sg="sg1")
        machine.add("2:0:0:0", sr="sr2", sg="sg2")
        machine.add("3:0:0:0", sg="sg3", kind=0)
        by_id = machine.link("usb-ACME_DRIVE_1-0:0", "sr2")
        found = machine.list()
        assert [drive.address for drive in found] == [
            str(machine.dev / "sr2"),
            str(machine.dev / "sr10"),
        ]
        first = found[0]
        assert first.generic == machine.dev / "sg2"
        assert (first.vendor, first.product, first.revision) == ("ACME", "DRIVE", "7")
        assert first.by_id == (by_id,)

    def test_a_drive_without_the_sr_module_is_found_by_its_type(self, machine: Machine) -> None:
        machine.add("1:0:0:0", sg="sg0", kind=0)
        machine.add("2:0:0:0", sg="sg1")
        (found,) = machine.list()
        assert found.block is None
        assert found.address == str(machine.dev / "sg1")

    def test_the_block_layers_limit_is_found_from_either_node(self, machine: Machine) -> None:
        machine.add("1:0:0:0", sr="sr0", sg="sg1")
        for node in ("sr0", "sg1"):
            is_generic = node.startswith("sg")
            base = "class/scsi_generic" if is_generic else "block"
            folder = machine.sys / base / node / "device"
            assert folder.is_dir()
        sysfs = Sysfs.of_node(machine.dev / "sr0", sys=machine.sys, dev=machine.dev)
        assert sysfs.block == machine.dev / "sr0"
        assert limit_of(sysfs, sys=machine.sys) == 512 * 1024
        assert limit_of(Sysfs(True, None, None), sys=machine.sys) is None

    def test_a_node_that_vanished_since_it_was_opened_has_no_place(self, machine: Machine) -> None:
        machine.add("1:0:0:0", sr="sr0", sg="sg1")
        (machine.dev / "sr0").unlink()
        gone = Sysfs.of_node(machine.dev / "sr0", sys=machine.sys, dev=machine.dev)
        assert gone == Sysfs(False, None, None)


class TestOpening:
    def test_no_node(self, tmp_path: Path) -> None:
        with pytest.raises(NotAvailable, match=r"There is no .*sr9: check the cable"):
            SgTransport(tmp_path / "sr9")
        with pytest.raises(NotAvailable, match="modprobe sg"):
            SgTransport(tmp_path / "sg9")

    def test_what_is_no_device(self, tmp_path: Path) -> None:
        file = tmp_path / "disc.iso"
        file.touch()
        with pytest.raises(NotAvailable, match="is not a device"):
            SgTransport(file)

    def test_a_device_that_takes_no_scsi(self) -> None:
        from imagerd.devices.mmc import Inquiry

        transport = SgTransport("/dev/null", exclusive=False)
        with pytest.raises(NotAvailable, match="does not take SCSI"):
            transport.execute(Inquiry().command())
        transport.close()
        transport.close()

    @pytest.mark.parametrize("code", [errno.ENODEV, errno.ENXIO])
    def test_a_node_without_a_device_is_a_lost_drive(
        self, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> int:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(DriveLost):
            _open(Path("/dev/null"), exclusive=True)

    def test_flags(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[int] = []

        def note(path: object, flags: int) -> int:
            seen.append(flags)
            return 99

        monkeypatch.setattr(os, "open", note)
        _open(Path("/dev/null"), exclusive=True)
        _open(Path("/dev/null"), exclusive=False)
        common = os.O_NONBLOCK | os.O_CLOEXEC
        assert seen == [os.O_RDWR | os.O_EXCL | common, os.O_RDONLY | common]


class TestRefusals:
    def test_permission_names_the_group(self) -> None:
        told = refusal(Path("/dev/null"), PermissionError(errno.EACCES, "no"))
        assert "usermod -aG root" in told
        assert told.count(".") >= 1

    def test_a_holder_is_named(self, tmp_path: Path) -> None:
        proc = tmp_path / "proc"
        (proc / "4711/fd").mkdir(parents=True)
        (proc / "4711/fd/3").symlink_to("/dev/null")
        (proc / "4711/comm").write_text("brasero\n")
        (proc / "12/fd").mkdir(parents=True)
        (proc / "12/fd/3").symlink_to("/dev/zero")
        assert holders(Path("/dev/null"), proc=proc) == ("brasero (4711)",)
        assert holders(tmp_path / "none", proc=proc) == ()

    def test_a_mount_is_named(self, tmp_path: Path) -> None:
        device = Path("/dev/null").stat().st_rdev
        table = tmp_path / "mountinfo"
        table.write_text(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
            f"2 1 {os.major(device)}:{os.minor(device)} / /media/cd ro - iso9660 /dev/sr0 ro\n"
        )
        assert mounted_at(Path("/dev/null"), table=table) == ("/media/cd",)
        assert mounted_at(tmp_path / "none", table=table) == ()

    def test_busy_without_a_known_holder_tells_how_to_find_it(self, tmp_path: Path) -> None:
        told = refusal(tmp_path / "sr0", OSError(errno.EBUSY, "busy"))
        assert "fuser" in told

    def test_anything_else_says_its_reason(self) -> None:
        told = refusal(Path("/dev/sr0"), OSError(errno.EIO, "Input/output error"))
        assert told == "Cannot open /dev/sr0: Input/output error."


class TestAddresses:
    @pytest.mark.parametrize("address", ["", "virtual:"])
    def test_an_empty_address_is_bad_input(self, address: str) -> None:
        with pytest.raises(BadInput, match="No drive was named"):
            open_transport(address)

    def test_a_path_is_a_node(self, tmp_path: Path) -> None:
        with pytest.raises(NotAvailable, match="sr9"):
            open_transport(str(tmp_path / "sr9"))

    def test_a_virtual_drive_that_nobody_serves_is_one_of_our_errors(self, tmp_path: Path) -> None:
        with pytest.raises(ImagerdError):
            open_transport(f"virtual:{tmp_path}/none.sock")

    def test_a_virtual_address_is_the_path_of_its_socket(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from imagerd.devices.virtual import client

        monkeypatch.setattr(client, "SocketTransport", lambda path: path)
        assert str(open_transport("virtual:/run/x y.sock")) == "/run/x y.sock"


def test_a_drive_that_goes_while_it_is_looked_at_is_no_error(tmp_path: Path) -> None:
    folder, ends = tmp_path / "block", threading.Event()

    def come_and_go() -> None:
        while not ends.is_set():
            (folder / "sr0").mkdir(parents=True)
            (folder / "sr0").rmdir()
            folder.rmdir()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        found = {drives._child(folder, "sr") for _ in range(20_000)}
    finally:
        ends.set()
        other.join()
    assert found <= {None, "sr0"}
