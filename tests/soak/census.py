# SPDX-License-Identifier: Apache-2.0
"""Counts what a process can lose: open files, threads, memory, children, files left about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_SETTLE = 10.0  # seconds in which passing things may pass: a look at a drive, a finished thread


@dataclass(frozen=True, slots=True)
class Process:
    """What one process has, at rest."""

    files: Counter[str]  # by kind
    threads: int
    memory: int  # resident bytes

    @property
    def open(self) -> int:
        """How many files it has open."""
        return self.files.total()


@dataclass(frozen=True, slots=True)
class Census:
    """What there is at one moment; processes by name."""

    processes: dict[str, Process]
    stray: tuple[str, ...]  # processes that belong to the station and are none of these
    wal: int  # bytes of the catalog's write-ahead log


def census(pids: dict[str, int], folder: Path) -> Census:
    """Count everything of a station in `folder`, whose processes are to be `pids`."""
    processes = {name: process(pid) for name, pid in pids.items()}
    wal = folder / "state" / "catalog.sqlite-wal"
    size = wal.stat().st_size if wal.exists() else 0
    return Census(processes, tuple(strays(folder, set(pids.values()))), size)


def nursery_of(daemon: int) -> int:
    """The process that the daemon has its workers from."""
    (pid,) = (_PROC / str(daemon) / "task" / str(daemon) / "children").read_text().split()[:1]
    assert (_PROC / pid / "comm").read_text() == "imagerd-nursery\n"
    return int(pid)


def process(pid: int) -> Process:
    """What a process has open, how many threads, how much memory."""
    status = dict(
        line.split(":", 1) for line in (_PROC / str(pid) / "status").read_text().splitlines()
    )
    memory = int(status["VmRSS"].split()[0]) << 10
    return Process(_files(pid), int(status["Threads"]), memory)


def _files(pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for link in (_PROC / str(pid) / "fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:  # closed since
            continue
        name = target.rsplit("/", 1)[-1] if target.startswith("/") else target.split(":")[0]
        found[name] += 1
    return found


def strays(folder: Path, known: set[int]) -> list[str]:
    """Processes that work in that folder or are children of those known, zombies among them."""
    found = []
    for place in _PROC.iterdir():
        if not place.name.isdecimal() or int(place.name) in known:
            continue
        try:
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state, parent = (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:  # gone since
            continue
        if int(parent) in known or any(str(folder) in word for word in words):
            what = "a zombie" if state == "Z" else " ".join(words).strip()
            found.append(f"{place.name} ({what})")
    return found


def settled(look: Callable[[], Census], fits: Callable[[Census], bool]) -> Census:
    """Look again and again until what is there fits, or the time for that is over."""
    end = time.monotonic() + _SETTLE
    while True:
        found = look()
        if fits(found) or time.monotonic() > end:
            return found
        time.sleep(0.05)


def left_about(folder: Path) -> list[str]:
    """Files of a station at rest, all of whose jobs have ended, that should not be there."""
    allowed = {
        *("imagerd.toml", "imagerd.log", "profile.toml", "bytecode"),
        *("archive", "discs", "state", "run", "tmp"),
        *(f"state/catalog.sqlite{tail}" for tail in ("", "-wal", "-shm", ".lock")),
        *("state/jobs", "run/imagerd.lock", "run/imagerd.sock", "run/virtual"),
        *("run/virtual/left.sock", "run/virtual/right.sock"),
    }
    places = [folder, *(folder / name for name in ("state", "state/jobs", "run", "run/virtual"))]
    places.append(folder / "tmp")
    found = [path for place in places if place.is_dir() for path in place.iterdir()]
    names = {str(path.relative_to(folder)) for path in found}
    hidden = {str(path.relative_to(folder)) for path in (folder / "archive").glob(".*")}
    return sorted(names - allowed | hidden)
