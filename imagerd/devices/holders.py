# SPDX-License-Identifier: Apache-2.0
"""Why a drive's node cannot be opened, in one sentence that helps."""

from __future__ import annotations

import errno
import grp
import os
from pathlib import Path


def refusal(node: Path, error: OSError) -> str:
    """One sentence for an error of `open` on `node`: what, why, what to do."""
    if error.errno == errno.EBUSY:
        return _busy(node)
    if error.errno in (errno.EACCES, errno.EPERM):
        return _forbidden(node)
    if error.errno == errno.ENOENT:
        hint = "load the module sg (modprobe sg)" if "/sg" in str(node) else "see imagerctl drives"
        return f"There is no {node}: check the cable and the name, or {hint}."
    return f"Cannot open {node}: {error.strerror}."


def _busy(node: Path) -> str:
    mounts = mounted_at(node)
    if mounts:
        return f"{node} is in use: it is mounted at {mounts[0]}; unmount it first (umount)."
    names = holders(node)
    if names:
        return f"{node} is in use by {', '.join(names)}; end that first."
    return f"{node} is in use by another program; see which with: sudo fuser -v {node}"


def _forbidden(node: Path) -> str:
    try:
        gid = node.stat().st_gid
        group = grp.getgrgid(gid).gr_name
    except (OSError, KeyError):
        return f"No permission to open {node}; run as a member of its group."
    return (
        f"No permission to open {node}; join the group that owns it"
        f" (sudo usermod -aG {group} $USER, then log in again)."
    )


def holders(node: Path, *, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Programs that have `node` open, as ``name (pid)``: as far as we may look, not ourselves."""
    try:
        device = node.stat().st_rdev
    except OSError:
        return ()
    found = [
        f"{_name(process)} ({process.name})"
        for process in proc.glob("[0-9]*")
        if process.name != str(os.getpid()) and _holds(process, device)
    ]
    return tuple(sorted(found))


def _holds(process: Path, device: int) -> bool:
    try:
        for link in (process / "fd").iterdir():
            target = link.stat()
            if device and target.st_rdev == device:
                return True
    except OSError:  # another user's process, or one that just ended
        return False
    return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "process"


def mounted_at(node: Path, *, table: Path = Path("/proc/self/mountinfo")) -> tuple[str, ...]:
    """Where `node` is mounted (proc(5), mountinfo: third field is the device, fifth the place)."""
    try:
        device = node.stat().st_rdev
        lines = table.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    wanted = f"{os.major(device)}:{os.minor(device)}"
    rows = [line.split() for line in lines]
    return tuple(row[4] for row in rows if len(row) > 4 and row[2] == wanted and device)
