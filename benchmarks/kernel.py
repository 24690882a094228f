# SPDX-License-Identifier: Apache-2.0
"""The virtual drive as a /dev/srN of the kernel, beside the same drive in the same process.

``python -m benchmarks.kernel`` boots the guest of the tests, where every cycle is emulated, and
measures there; with ``--here`` it measures on this machine, which needs root and the modules.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.table import Row, gigabytes, markdown
from imagerd.devices.scsi import Command, Direction, Transport
from imagerd.devices.transport import open_transport
from imagerd.devices.virtual.kernel import attached
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.formats import open_image
from tests.kernel.guest import ROOT, find_kernel, run

SECTORS = 20_000
RAW = 2352
SPELL = 3.0  # seconds for each figure
SHORT = {
    "TEST UNIT READY": Command(bytes(6)),
    "READ(10), one sector": Command(
        bytes((0x28, 0, 0, 0, 0, 10, 0, 0, 1, 0)), Direction.IN, length=2048
    ),
}


def rows() -> list[Row]:
    """Short commands, READ CD in two sizes, and a copy by the block layer."""
    with tempfile.TemporaryDirectory(prefix="imagerd-bench-") as folder:
        image = Path(folder) / "disc.iso"
        with image.open("wb") as file:
            file.truncate(SECTORS * 2048)
        one = attached.attach(image, name="bench")
        try:
            node = until_there(one)
            with closing(open_transport(node, exclusive=False)) as kernel:
                return [*_scsi(kernel, _in_process(image)), _block(node)]
        finally:
            attached.detach(attached.find("bench"))


def until_there(one: attached.Attached) -> str:
    """The node, once udev has done with it."""
    subprocess.run(["udevadm", "settle"], check=False)
    return one.control.state().node


def _in_process(image: Path) -> VirtualDrive:
    drive = VirtualDrive()
    drive.insert(open_image(image))
    drive.execute(SHORT["TEST UNIT READY"])  # takes the unit attention
    return drive


def _scsi(kernel: Transport, near: Transport) -> list[Row]:
    found = []
    for name, command in SHORT.items():
        far, here = (_per_second(t, lambda _: command) for t in (kernel, near))  # noqa: B023
        found.append(
            Row(f"{name} by SG_IO", f"{far:,.0f}/s", f"in the process {here:,.0f}/s", far / here)
        )
    for count in (26, 200):
        far, here = (_per_second(t, lambda n: _read_cd(n * count, count)) for t in (kernel, near))  # noqa: B023
        size = count * RAW
        peer = f"in the process {gigabytes(size, 1 / here)}"
        work = f"READ CD, {count} sectors a command, by SG_IO"
        found.append(Row(work, gigabytes(size, 1 / far), peer, far / here))
    return found


def _read_cd(lba: int, count: int) -> Command:
    first = lba % (SECTORS - count)
    cdb = bytes((0xBE, 0)) + first.to_bytes(4, "big") + count.to_bytes(3, "big") + b"\xf8\0\0"
    return Command(cdb, Direction.IN, count * RAW)


def _per_second(transport: Transport, command: Callable[[int], Command]) -> float:
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < SPELL:
        reply = transport.execute(command(done))
        assert reply.ok, reply
        done += 1
    return done / took


def _block(node: str) -> Row:
    began = time.perf_counter()
    subprocess.run(
        ["dd", f"if={node}", "of=/dev/null", "bs=1M", "iflag=direct"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    took = time.perf_counter() - began
    return Row("dd of /dev/srN, READ(10) by the block layer", gigabytes(SECTORS * 2048, took))


def main() -> int:
    """In the guest, or here."""
    if "--here" in sys.argv:
        print(markdown(rows()))
        return 0
    command = f"{sys.executable} -m benchmarks.kernel --here"
    return run(find_kernel(), ROOT / "build" / "kernel-bench", command, timeout=300)


if __name__ == "__main__":
    sys.exit(main())
