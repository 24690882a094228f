# SPDX-License-Identifier: Apache-2.0
"""Boots the guest and brings home what its tests say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kernel import initramfs

ROOT = Path(__file__).resolve().parents[2]
RESULTS_IN_GUEST = Path("/results")
CPU = "Westmere"  # what numpy asks for (x86-64-v2); emulated AVX would be slower than none
QEMU = "qemu-system-x86_64"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of this machine that the guest can run."""

    release: str
    image: Path


class NoGuest(Exception):
    """What is missing for a guest, and how to get it."""


def find_kernel() -> Kernel:
    """Debian's newest kernel with its modules. Raises `NoGuest`."""
    if shutil.which(QEMU) is None:
        raise NoGuest("QEMU is not installed (Debian package qemu-system-x86).")
    if shutil.which("busybox") is None:
        raise NoGuest("busybox is not installed (Debian package busybox-static).")
    for image in sorted(Path("/boot").glob("vmlinuz-*"), reverse=True):
        release = image.name.removeprefix("vmlinuz-")
        if (Path("/lib/modules") / release / "modules.dep").exists() and os.access(image, os.R_OK):
            return Kernel(release, image)
    raise NoGuest("No readable kernel in /boot (Debian package linux-image-amd64).")


def service() -> str:
    """The unit that runs the command on the second serial port, and ends the guest after it."""
    return f"""\
[Unit]
Description=imagerd's tests
Requires=basic.target systemd-udevd.service
After=basic.target systemd-udev-trigger.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
WorkingDirectory={ROOT}
Environment=CI={os.environ.get("CI", "")} IMAGERD_GUEST=1 HOME=/root TERM=dumb
Environment=PATH={os.environ["PATH"]}:/usr/sbin:/sbin
ExecStart=/bin/sh -c '. {RESULTS_IN_GUEST}/command; echo $$? >{RESULTS_IN_GUEST}/exit'
ExecStopPost=-/bin/sh -c 'journalctl -b --no-pager >{RESULTS_IN_GUEST}/journal.log'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
TimeoutStartSec=infinity
"""


def run(kernel: Kernel, results: Path, command: str, *, timeout: float, memory: str = "4G") -> int:
    """Boot, run `command`, and return its exit code. What it prints goes to our own output."""
    results.mkdir(parents=True, exist_ok=True)
    (results / "exit").unlink(missing_ok=True)
    (results / "command").write_text(command + "\n")
    ram_disk = results / "initramfs.cpio"
    initramfs.build(
        ram_disk, kernel.release, RESULTS_IN_GUEST, {"imagerd-tests.service": service()}
    )
    arguments = [
        QEMU, "-nodefaults", "-no-reboot", "-display", "none", "-machine", "q35",
        "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", CPU, "-smp", "2", "-m", memory,
        "-kernel", str(kernel.image), "-initrd", str(ram_disk),
        "-append", "console=ttyS0 loglevel=5 panic=-1 systemd.unit=imagerd-tests.service"
        " systemd.show_status=no mitigations=off apparmor=0 audit=0 nowatchdog"
        " norandmaps tsc=reliable rcupdate.rcu_expedited=1",  # or each look at the clock is a trap
        "-serial", f"file:{results / 'console.log'}", "-serial", "stdio",
        *_share("host", Path("/"), read_only=True),
        *_share("results", results, read_only=False),
        "-device", "virtio-rng-pci",
    ]  # fmt: skip
    try:
        subprocess.run(arguments, stdin=subprocess.DEVNULL, timeout=timeout, check=True)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"The guest did not end within {timeout:.0f} s.\n")
        return 124
    try:
        return int((results / "exit").read_text())
    except FileNotFoundError:
        sys.stderr.write(f"The guest ended without a word; see {results / 'console.log'}.\n")
        return 125


def _share(tag: str, path: Path, *, read_only: bool) -> list[str]:
    """A folder of the host's as a 9p file system."""
    options = f"local,id={tag},path={path},security_model=none,multidevs=remap"
    if read_only:
        options += ",readonly=on"
    return ["-fsdev", options, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
