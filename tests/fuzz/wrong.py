# SPDX-License-Identifier: Apache-2.0
"""A target that does what no reader may do, so that it can be seen that this is noticed.

Each wrong comes with the third input of a hundred: the first hundred crash, the next hang, …; the
number of the input is looked up where the worker has put it.
"""

from __future__ import annotations

import faulthandler
import mmap
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.fuzz.targets import Target
from tests.fuzz.worker import MEMORY, NUMBER

with Path(sys.argv[1]).open("rb") as _file:
    _CURRENT = mmap.mmap(_file.fileno(), NUMBER.size, access=mmap.ACCESS_READ)


def target_of(group: str) -> Target:
    """The wrong target, whatever is asked for."""
    return wrong


def wrong(path: Path) -> bool:
    """Do what belongs to the number of the input."""
    kind, at = divmod(NUMBER.unpack_from(_CURRENT)[0], 100)
    if at == 2:
        _WRONGS[kind](path)
    return True


def _hang(_: Path) -> None:
    for _ in count():
        time.sleep(60)


def _outside(_: Path) -> None:
    Path("/etc/hostname").open("rb").close()


def _written(path: Path) -> None:
    path.with_name("new").write_bytes(b"")
    path.with_name("new").unlink()


def _error(_: Path) -> None:
    raise ValueError("no error of ours")


_WRONGS: tuple[Callable[[Path], object], ...] = (
    lambda _: faulthandler._sigsegv(),  # type: ignore[attr-defined]
    _hang,
    lambda _: bytes(2 * MEMORY),
    _outside,
    _written,
    _error,
)
