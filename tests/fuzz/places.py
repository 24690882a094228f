# SPDX-License-Identifier: Apache-2.0
"""Where files are made. It imports nothing of imagerd: atheris must see that first."""

from __future__ import annotations

import os
from pathlib import Path


def scratch() -> Path | None:
    """A folder in memory, if there is one; None is wherever temporary files are."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else None
