# SPDX-License-Identifier: Apache-2.0
"""The daemon's virtual drives as processes: none of them is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.daemon.protocol import VirtualAdd
from imagerd.daemon.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    folder = Path(tempfile.mkdtemp(prefix="imagerd-", dir="/tmp"))  # short, as sockets need
    made = Rig(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def test_a_drive_whose_process_was_killed_leaves_no_zombie_when_there_is_a_new_one(
    rig: Rig,
) -> None:
    rig.add(VirtualAdd(name="demo"))
    first = rig._ours["demo"].pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # it has ended, and is not buried
    rig.add(VirtualAdd(name="demo"))
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert [view.name for view in rig.views()] == ["demo"]
