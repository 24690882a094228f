# SPDX-License-Identifier: Apache-2.0
"""Looks after an attached drive whose process may be killed: then it takes the drive away.

``python -m imagerd.devices.virtual.kernel.watchdog NAME SOCKET`` waits for the end of its standard
input, which the drive's process holds open as long as it lives. Without this, programs would hang
in reads that nobody answers until the kernel gives up on each, a minute at a time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from imagerd.base.errors import ExitCode, ImagerdError
from imagerd.devices.virtual.kernel.configfs import KernelDrive


def start(name: str, socket: Path) -> subprocess.Popen[bytes]:
    """Start one for this process, which serves the drive `name` at `socket` as well.

    `communicate` ends it when all has been taken away.
    """
    return subprocess.Popen(
        [sys.executable, "-m", __name__, name, str(socket)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what kills our group must not kill it
    )


def main() -> int:
    """Wait, then clear away what is left of the drive."""
    sys.stdin.buffer.read()
    drive = KernelDrive(sys.argv[1])
    try:
        if drive.exists:
            drive.abandon()
            Path(sys.argv[2]).unlink(missing_ok=True)
    except ImagerdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
