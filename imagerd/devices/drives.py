# SPDX-License-Identifier: Apache-2.0
"""The optical drives of this machine, out of sysfs: no udev needed.

/sys/block/sr* are the drives that the sr module drives; /sys/class/scsi_generic holds the node
that takes every opcode (module sg). A drive has either or both.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

_SYS = Path("/sys")
_DEV = Path("/dev")
_TYPE_ROM = "5"  # SCSI peripheral device type of CD/DVD devices


@dataclass(frozen=True, slots=True)
class DriveNode:
    """A drive and its names. `block` is /dev/srN, `generic` /dev/sgN; `by_id` stable links."""

    block: Path | None
    generic: Path | None
    vendor: str
    product: str
    revision: str
    by_id: tuple[Path, ...] = ()

    @property
    def address(self) -> str:
        """The node to open: the block node if there is one, as holding it keeps udev away."""
        return str(self.block or self.generic)


@dataclass(frozen=True, slots=True)
class Sysfs:
    """Where a node is in sysfs: `folder` its SCSI device's folder, `block` its /dev/srN."""

    is_generic: bool
    folder: Path | None
    block: Path | None

    @classmethod
    def of_node(cls, node: Path, *, sys: Path = _SYS, dev: Path = _DEV) -> Sysfs:
        """Find the SCSI device of a node by its name (a link is followed).

        Of a node that is gone there is none: its drive was unplugged since it was opened.
        """
        try:
            generic = stat.S_ISCHR(node.stat().st_mode)
        except FileNotFoundError:
            return cls(False, None, None)
        name = node.resolve().name
        base = sys / "class/scsi_generic" if generic else sys / "block"
        folder = base / name / "device"
        if not folder.is_dir():
            return cls(generic, None, None)
        block = _child(folder / "block", "sr")
        return cls(generic, folder.resolve(), None if block is None else dev / block)


def limit_of(sysfs: Sysfs, *, sys: Path = _SYS) -> int | None:
    """Bytes that the block layer moves in one command, or None if it does not say."""
    if sysfs.block is None:
        return None
    value = _text(sys / "block" / sysfs.block.name / "queue/max_sectors_kb")
    return int(value) * 1024 if value.isdigit() and int(value) else None


def list_drives(*, sys: Path = _SYS, dev: Path = _DEV) -> tuple[DriveNode, ...]:
    """All optical drives, those with a /dev/srN first, in order of their numbers."""
    links = _by_id(dev)
    nodes: list[DriveNode] = []
    taken: set[str] = set()
    for entry in _sorted(sys / "block", "sr*"):
        generic = _child(entry / "device/scsi_generic", "sg")
        taken.add(generic or "")
        nodes.append(_node(entry / "device", dev / entry.name, _under(dev, generic), links))
    nodes += [
        _node(entry / "device", None, dev / entry.name, links)
        for entry in _sorted(sys / "class/scsi_generic", "sg*")
        if entry.name not in taken and _text(entry / "device/type") == _TYPE_ROM
    ]
    return tuple(nodes)


def _node(
    folder: Path, block: Path | None, generic: Path | None, links: dict[Path, list[Path]]
) -> DriveNode:
    named = [link for node in (block, generic) if node is not None for link in links.get(node, [])]
    return DriveNode(
        block,
        generic,
        _text(folder / "vendor"),
        _text(folder / "model"),
        _text(folder / "rev"),
        tuple(sorted(named)),
    )


def stable_names(address: str, *, dev: Path = _DEV) -> tuple[str, ...]:
    """The names of `address` in /dev/disk/by-id; () if it has none there."""
    return tuple(sorted(link.name for link in _by_id(dev).get(Path(address).resolve(), ())))


def _by_id(dev: Path) -> dict[Path, list[Path]]:
    """The links of /dev/disk/by-id by the node that they name."""
    found: dict[Path, list[Path]] = {}
    folder = dev / "disk/by-id"
    if folder.is_dir():
        for link in folder.iterdir():
            found.setdefault(link.resolve(), []).append(link)
    return found


def _sorted(folder: Path, pattern: str) -> list[Path]:
    entries = folder.glob(pattern) if folder.is_dir() else ()
    return sorted(entries, key=lambda p: int(re.sub(r"\D", "", p.name) or 0))


def _child(folder: Path, prefix: str) -> str | None:
    """The one entry of a sysfs folder such as device/block; None if it is gone, or just goes."""
    try:
        names = sorted(p.name for p in folder.iterdir() if p.name.startswith(prefix))
    except OSError:
        return None
    return names[0] if names else None


def _under(dev: Path, name: str | None) -> Path | None:
    return None if name is None else dev / name


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""
