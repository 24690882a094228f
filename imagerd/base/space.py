# SPDX-License-Identifier: Apache-2.0
"""Free space of the archive's disk."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """Bytes that we may still write where `folder` is, or will be; no error for a missing one."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
