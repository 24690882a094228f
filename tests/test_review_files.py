# SPDX-License-Identifier: Apache-2.0
"""Files on a disk that is nearly full."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile, write_text_atomically

_ROOM = 5000


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond `_ROOM` bytes: the kernel writes what fits and says how much."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("little_room")
def test_a_text_that_does_not_fit_is_not_there_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable):
        write_text_atomically(tmp_path / "disc.map", "x" * 6000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("little_room")
def test_a_write_that_is_cut_short_is_never_taken_for_whole(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable), AtomicFile(tmp_path / "x") as file:
        assert file.stream.write(bytes(4000)) == 4000
        file.stream.write(bytes(4000))
    assert list(tmp_path.iterdir()) == []
    write_text_atomically(tmp_path / "fits", "x" * _ROOM)
    assert (tmp_path / "fits").stat().st_size == _ROOM
