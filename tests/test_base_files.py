# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.digests import Hasher, digest_bytes
from imagerd.base.errors import AlreadyThere, NotAvailable
from imagerd.base.files import AtomicFile, move_into_place, write_text_atomically
from imagerd.base.progress import Progress, Task, run
from imagerd.base.space import free_bytes


@given(st.lists(st.binary(max_size=5000), max_size=12), st.booleans())
def test_digests_are_those_of_the_standard_library(parts: list[bytes], threads: bool) -> None:
    hasher = Hasher(threads=threads)
    for part in parts:
        hasher.update(part)
    found = hasher.digests()
    whole = b"".join(parts)
    assert found.size == len(whole)
    assert found.crc32 == f"{zlib.crc32(whole):08x}"
    assert found.md5 == hashlib.md5(whole, usedforsecurity=False).hexdigest()
    assert found.sha1 == hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    assert found.sha256 == hashlib.sha256(whole).hexdigest()
    assert found == digest_bytes(whole)


def test_a_memoryview_counts_its_bytes_and_not_its_rows() -> None:
    rows = memoryview(bytes(96)).cast("B", (4, 24))
    hasher = Hasher()
    hasher.update(rows)
    assert hasher.digests() == digest_bytes(bytes(96))


def test_a_file_has_its_name_only_after_commit(tmp_path: Path) -> None:
    target = tmp_path / "image.bin"
    with AtomicFile(target) as file:
        file.stream.write(b"abc")
        assert not target.exists()
        file.commit()
    assert target.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [target]


def test_an_abandoned_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), AtomicFile(tmp_path / "x") as file:
        file.stream.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unasked_even_if_it_appears_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(AlreadyThere), AtomicFile(target) as file:
        file.stream.write(b"ours")
        target.write_bytes(b"theirs")
        file.commit()
    assert target.read_bytes() == b"theirs"
    with pytest.raises(AlreadyThere):
        AtomicFile(target)
    write_text_atomically(target, "asked", overwrite=True)
    assert target.read_text() == "asked"


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    target = tmp_path / "link"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(AlreadyThere):
        AtomicFile(target)


def test_a_file_system_without_hard_links_is_served_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", no_links)
    part = tmp_path / "part"
    part.write_bytes(b"data")
    move_into_place(part, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"data"
    part.write_bytes(b"other")
    with pytest.raises(AlreadyThere):
        move_into_place(part, tmp_path / "target")


def test_a_folder_that_is_missing_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="Cannot write"):
        AtomicFile(tmp_path / "no" / "file")


def test_run_returns_the_result_and_shows_every_step() -> None:
    seen: list[int] = []
    assert run(_steps([]), lambda progress: seen.append(progress.done)) == "result"
    assert seen == [0, 1, 2]


def test_a_task_is_closed_when_showing_fails() -> None:
    closed: list[str] = []

    def fail(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(_steps(closed), fail)
    assert closed == ["closed"]


def _steps(closed: list[str]) -> Task[str]:
    def work() -> Iterator[Progress]:
        try:
            for done in range(3):
                yield Progress(done, 3)
        finally:
            closed.append("closed")

    yield from work()
    return "result"


def test_free_space_is_told_for_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.2)
