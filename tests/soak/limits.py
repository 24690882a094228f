# SPDX-License-Identifier: Apache-2.0
"""How much may be there at rest, compared with what was there the first time."""

from __future__ import annotations

from tests.soak.census import Census, Process

_CATALOG = "catalog.sqlite"
_CONNECTIONS = 15  # of SQLAlchemy's pool, at most; each has two or three files open
_THREADS = 40
_GROWTH = 16 << 20  # bytes of memory that a process may gain
_WAL = 64 << 20


class Limits:
    """The first census sets what is normal."""

    def __init__(self) -> None:
        self._normal: Census | None = None

    def remember(self, census: Census) -> None:
        """What is normal, if that is not known yet."""
        if self._normal is None:
            self._normal = census

    def broken_by(self, census: Census) -> list[str]:
        """What is too much, as sentences."""
        found = [f"the process {stray} is left over" for stray in census.stray]
        if census.wal > _WAL:
            found.append(f"the catalog's write-ahead log has {census.wal} bytes")
        if self._normal is not None:
            for name, process in census.processes.items():
                found += _grown(name, self._normal.processes[name], process)
        return found


def _grown(name: str, before: Process, now: Process) -> list[str]:
    found = [
        f"{name} has {count} files open that are {kind}, and had {before.files[kind]}"
        for kind, count in now.files.items()
        if count > (3 * _CONNECTIONS if kind.startswith(_CATALOG) else before.files[kind])
    ]
    if now.threads > _THREADS:
        found.append(f"{name} has {now.threads} threads")
    if now.memory > before.memory + _GROWTH:
        found.append(f"{name} has grown from {before.memory >> 20} to {now.memory >> 20} MiB")
    return found
