# SPDX-License-Identifier: Apache-2.0
"""A virtual drive as /dev/sr0, for programs that know nothing of it: the real SG_IO path, judged.

`serve.py` is run by Debian's Python (it needs python3-gi) under umockdev's preloaded library. What
its child sends to /dev/sr0 by ioctl it passes on to the socket of a virtual drive's host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.judges import judge, missing

_FOLDER = Path(__file__).parent
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_HAS_UMOCKDEV = "import gi; gi.require_version('UMockdev', '1.0'); import gi.repository.UMockdev"


def beside_the_drive(
    socket: Path, *module_and_arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of ours where /dev/sr0 is the virtual drive served at `socket`.

    Skips (in CI: fails) where umockdev or its Python binding is missing.
    """
    ours = (sys.executable, "-m", *map(str, module_and_arguments))
    return program_beside_the_drive(socket, *ours, environment=environment)


def program_beside_the_drive(
    socket: Path,
    *command: str,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run any program there, in `folder`; it may take /dev/sg0 for the same drive."""
    wrapper = judge("umockdev-run").replace("umockdev-run", "umockdev-wrapper")
    probe = [str(_SYSTEM_PYTHON), "-c", _HAS_UMOCKDEV]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        missing("no umockdev for /usr/bin/python3 (gir1.2-umockdev-1.0, python3-gi)")
    return subprocess.run(
        [wrapper, str(_SYSTEM_PYTHON), str(_FOLDER / "serve.py"), str(socket), *command],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=folder,
        env={**(environment or os.environ), "PYTHONPATH": str(_FOLDER.parents[1])},
    )
