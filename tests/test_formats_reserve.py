# SPDX-License-Identifier: Apache-2.0
"""Room on the disk is reserved before an image is written, and never more than it needs is kept."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagerd.base.errors import NotAvailable
from imagerd.base.progress import run
from imagerd.formats import WriteOptions, reserve, write_image
from imagerd.formats.output import Output, publish
from tests.sources import data, memory_disc

MIB = 1 << 20


def test_a_reservation_does_not_change_the_length(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream:
        reserve.reserve(stream.fileno(), MIB)
        assert stream.seek(0, 2) == 0


def test_more_than_a_file_can_be_is_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream, pytest.raises(OSError, match="large") as caught:
        reserve.reserve(stream.fileno(), (1 << 63) - 1)
    assert caught.value.errno == errno.EFBIG


def test_what_was_reserved_and_not_written_is_given_back(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    with ExitStack() as stack:
        output = Output(target, WriteOptions(), stack, 64 * MIB)
        output.write_bytes(b"x" * MIB)
        publish([output])
    status = target.stat()
    assert status.st_size == MIB
    assert status.st_blocks * 512 < 8 * MIB


def test_a_disk_without_the_room_is_told_before_the_work_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("imagerd.formats.output.reserve", full)
    disc = memory_disc([data(20)])
    with pytest.raises(NotAvailable, match=r"out\.iso: No space left"):
        run(write_image(disc, tmp_path / "out.iso"))
    assert disc.reads == 0
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_cannot_reserve_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "_fallocate", lambda: None)
    target = tmp_path / "out.iso"
    run(write_image(memory_disc([data(20)]), target))
    assert target.stat().st_size == 20 * 2048
