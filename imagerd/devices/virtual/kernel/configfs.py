# SPDX-License-Identifier: Apache-2.0
"""The kernel's target configuration for one virtual drive: make it, export it, take it away.

Each drive is a TCMU backstore ``core/user_5380/NAME`` and, while it is plugged in, a SCSI host of
tcm_loop ``loopback/naa.…/tpgt_1/lun/lun_0`` (kernel: Documentation/target/tcmu-design.rst).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from imagerd.base.errors import AlreadyThere, NotAvailable

MODULES: Final = ("uio", "target_core_user", "tcm_loop", "sr_mod", "sg")
_CONFIGFS: Final = Path("/sys/kernel/config")
_TARGET: Final = _CONFIGFS / "target"
_HBA: Final = "user_5380"
_SUBTYPE: Final = "imagerd"
_ANY_SIZE: Final = 2048 * 512  # the kernel wants one; the drive answers READ CAPACITY itself
_GIVE_UP: Final = 60  # seconds after which the kernel fails what a dead process does not answer
_DATA_MB: Final = 128  # of the shared data area; mapped, not used
_PATIENCE: Final = 60.0
_T = TypeVar("_T")


def prepare() -> None:
    """Load the modules. Raises `NotAvailable`, saying what is missing and how to get it."""
    if os.geteuid() != 0:
        raise NotAvailable("Attaching a drive to the kernel needs root; run this with sudo.")
    for module in MODULES:
        if not _load(module):
            raise NotAvailable(
                f"The kernel {os.uname().release} has no module {module}; boot one that has it, as "
                "Debian's linux-image-amd64 has (those of clouds and containers often have not)."
            )
    if not _CONFIGFS.is_dir() or not os.path.ismount(_CONFIGFS):
        raise NotAvailable(
            f"{_CONFIGFS} is not mounted; mount it with `mount -t configfs none {_CONFIGFS}`."
        )
    with contextlib.suppress(FileExistsError):
        (_TARGET / "loopback").mkdir()


def _load(module: str) -> bool:
    if Path("/sys/module", module).is_dir():
        return True
    try:
        subprocess.run(["modprobe", module], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class KernelDrive:
    """The kernel's side of the virtual drive `name`. Every step can be taken again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._store = _TARGET / "core" / _HBA / name
        number = hashlib.sha256(name.encode()).hexdigest()
        self._port = _TARGET / "loopback" / f"naa.5{number[:15]}"
        self._initiator = f"naa.5{number[15:30]}"

    @property
    def exists(self) -> bool:
        """Whether the kernel knows the drive, exported or not."""
        return self._store.is_dir()

    def create(self) -> Path:
        """Make the backstore and return its /dev/uioN, to be served before `export`.

        Raises `AlreadyThere` if there is one of that name, `NotAvailable` if the kernel refuses.
        """
        try:
            self._store.parent.mkdir(exist_ok=True)
            self._store.mkdir()
        except FileExistsError:
            raise AlreadyThere(
                f"A drive {self.name} is attached already; name another or detach it."
            ) from None
        except OSError as error:
            raise NotAvailable(f"The kernel refuses {self._store}: {error.strerror}.") from error
        try:
            self._write("control", f"dev_config={_SUBTYPE}/{self.name}")
            self._write("control", f"dev_size={_ANY_SIZE},hw_block_size=2048")
            self._write("control", f"max_data_area_mb={_DATA_MB},nl_reply_supported=-1")
            self._write("enable", "1")
            self._write("attrib/cmd_time_out", str(_GIVE_UP))
            with contextlib.suppress(NotAvailable):  # kernels before 5.10 do not tell of aborts
                self._write("attrib/tmr_notification", "1")
            return _until(self._uio, f"no /dev/uioN for the drive {self.name}")
        except BaseException:
            self.remove()
            raise

    def _write(self, attribute: str, text: str) -> None:
        try:
            (self._store / attribute).write_text(text)
        except OSError as error:
            raise NotAvailable(
                f"The kernel refuses {text!r} for {self._store / attribute}: {error.strerror}."
            ) from error

    def _uio(self) -> Path | None:
        for entry in Path("/sys/class/uio").glob("uio*"):
            with contextlib.suppress(OSError):
                words = (entry / "name").read_text().strip().split("/", 3)
                if words[2:] == [self.name, f"{_SUBTYPE}/{self.name}"]:
                    node = Path("/dev", entry.name)
                    return node if node.exists() else None
        return None

    def export(self) -> str:
        """Plug the drive in: a SCSI host appears with it. Returns its node, /dev/srN."""
        lun = self._port / "tpgt_1" / "lun" / "lun_0"
        try:
            (self._port / "tpgt_1").mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (self._port / "tpgt_1" / "nexus").write_text(self._initiator)
            lun.mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (lun / "drive").symlink_to(self._store)
        except OSError as error:
            raise NotAvailable(f"The kernel refuses {lun}: {error.strerror}.") from error
        return _until(self.node, f"no /dev/srN for the drive {self.name}")

    def unexport(self) -> None:
        """Pull the plug: the SCSI host is gone. Somebody must answer commands meanwhile."""
        lun = self._port / "tpgt_1" / "lun" / "lun_0"
        _away(lun / "drive", Path.unlink)
        _away(lun, Path.rmdir)
        nexus = self._port / "tpgt_1" / "nexus"
        with contextlib.suppress(OSError):  # without a nexus it cannot be read, nor ended
            if nexus.read_text().strip():
                nexus.write_text("NULL")
        _away(self._port / "tpgt_1", Path.rmdir)
        _away(self._port, Path.rmdir)

    def remove(self) -> None:
        """Take the backstore away; the /dev/uioN is gone, too."""
        _away(self._store, Path.rmdir)
        with contextlib.suppress(OSError):  # others of ours are there
            self._store.parent.rmdir()

    def abandon(self) -> None:
        """Take all away of a drive whose process is dead: what nobody answers fails.

        The device goes offline first, or programs that try again would fill the ring anew.
        """
        state = Path(f"/sys/class/scsi_device/{self._address()}/device/state")
        with contextlib.suppress(OSError):
            state.write_text("offline")
        gone = threading.Event()
        failing = threading.Thread(target=self._fail_all, args=(gone,))
        failing.start()
        try:
            self.unexport()
        finally:
            gone.set()
            failing.join()
        self.remove()

    def _fail_all(self, gone: threading.Event) -> None:
        """Fail what is in the ring, again and again: taking the device away may send commands."""
        while True:
            for attribute, text in (("block_dev", "1"), ("reset_ring", "2"), ("block_dev", "0")):
                with contextlib.suppress(OSError):
                    (self._store / "action" / attribute).write_text(text)
            if gone.wait(0.1):
                return

    def _address(self) -> str:
        """Host, channel, target and LUN of the SCSI device; empty while it is not plugged in."""
        try:
            return (self._port / "tpgt_1" / "address").read_text().strip() + ":0"
        except OSError:
            return ""

    def node(self) -> str | None:
        """The block device, /dev/srN; None while it is not plugged in or not yet probed."""
        blocks = Path(f"/sys/class/scsi_device/{self._address()}/device/block")
        with contextlib.suppress(OSError):
            for entry in blocks.iterdir():
                if Path("/dev", entry.name).exists():
                    return f"/dev/{entry.name}"
        return None


def kernel_drives() -> tuple[str, ...]:
    """The names of all drives that the kernel has of us, served or not."""
    with contextlib.suppress(OSError):
        return tuple(sorted(p.name for p in (_TARGET / "core" / _HBA).iterdir() if p.is_dir()))
    return ()


def _away(path: Path, how: Callable[[Path], None]) -> None:
    """Remove something if it is there, and wait while the kernel still uses it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            how(path)
        except FileNotFoundError:
            return
        except OSError as error:
            busy = error.errno in (errno.EBUSY, errno.ENOTEMPTY)
            if not busy or time.monotonic() > deadline:
                raise NotAvailable(
                    f"The kernel does not let go of {path}: {error.strerror}."
                ) from error
            time.sleep(0.05)
        else:
            return


def _until(look: Callable[[], _T | None], complaint: str) -> _T:
    deadline = time.monotonic() + _PATIENCE
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise NotAvailable(f"The kernel made {complaint} within {_PATIENCE:.0f} s; see dmesg.")
        time.sleep(0.02)
    return found
