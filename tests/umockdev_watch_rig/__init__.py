# SPDX-License-Identifier: Apache-2.0
"""Drives that exist only for libudev and the C library: real pyudev and SG_IO are judged here.

`serve.py` is run by Debian's Python (it needs python3-gi) under umockdev's preloaded library. Its
child, `client.py`, is run by ours: a whole `DriveWatcher`, which tells `serve.py` line by line what
shall happen to the drives and reports what it heard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.judges import judge, missing

_FOLDER = Path(__file__).parent
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_HAS_UMOCKDEV = "import gi; gi.require_version('UMockdev', '1.0'); import gi.repository.UMockdev"


def run_story(name: str) -> dict[str, object]:
    """Run the function `name` of `client.py` beside the fake drives; what it returns.

    Skips (in CI: fails) where umockdev or its Python binding is missing.
    """
    wrapper = judge("umockdev-run").replace("umockdev-run", "umockdev-wrapper")
    probe = [str(_SYSTEM_PYTHON), "-c", _HAS_UMOCKDEV]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        missing("no umockdev for /usr/bin/python3 (gir1.2-umockdev-1.0, python3-gi)")
    client = [sys.executable, str(_FOLDER / "client.py"), name]
    done = subprocess.run(
        [wrapper, str(_SYSTEM_PYTHON), str(_FOLDER / "serve.py"), *client],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "PYTHONPATH": str(_FOLDER.parents[1])},
    )
    assert done.returncode == 0, f"{name} exited {done.returncode}:\n{done.stderr}"
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result
