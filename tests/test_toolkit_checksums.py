# SPDX-License-Identifier: Apache-2.0
"""Checksum files: what coreutils and SFV tools write is read, hostile names are not followed."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.toolkit.checksums import (
    Algorithm,
    Outcome,
    check_files,
    match_digests,
    parse_digest,
    read_checksum_file,
    select,
)

CONTENT = b"imagerd" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a b.bin").write_bytes(CONTENT)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.bin").write_bytes(b"c")
    return tmp_path


def outcomes(path: Path) -> list[Outcome]:
    return [verdict.outcome for verdict in run(check_files(read_checksum_file(path)))]


@pytest.mark.parametrize("tool", ["md5sum", "sha1sum", "sha256sum"])
@pytest.mark.parametrize("options", [[], ["--tag"], ["--binary"]])
def test_what_coreutils_write_is_read(folder: Path, tool: str, options: list[str]) -> None:
    odd = folder / "back\\slash\nline.bin"
    odd.write_bytes(b"odd")
    names = ["a b.bin", "sub/c.bin", odd.name]
    done = subprocess.run(
        [tool, *options, *names], cwd=folder, capture_output=True, check=True, timeout=30
    )
    sums = folder / "SUMS.txt"
    sums.write_bytes(done.stdout)
    assert [entry.name for entry in read_checksum_file(sums).entries] == names
    assert outcomes(sums) == [Outcome.MATCH] * 3


def test_sfv_with_comments_crlf_and_backslashes(folder: Path) -> None:
    sums = folder / "x.sfv"
    crc = f"{zlib.crc32(CONTENT):08X}"
    sums.write_bytes(
        b"\xef\xbb\xbf; made by a tool\r\n"
        + f"a b.bin {crc}\r\nsub\\c.bin {zlib.crc32(b'c'):08x}\r\n".encode()
    )
    file = read_checksum_file(sums)
    assert [entry.name for entry in file.entries] == ["a b.bin", "sub/c.bin"]
    assert not file.oddities
    assert outcomes(sums) == [Outcome.MATCH, Outcome.MATCH]


def test_a_bare_digest_is_that_of_the_file_it_is_named_after(folder: Path) -> None:
    sums = folder / "a b.bin.sha256"
    sums.write_text(hashlib.sha256(CONTENT).hexdigest() + "\n")
    assert outcomes(sums) == [Outcome.MATCH]


def test_wrong_and_missing_files_are_told_apart(folder: Path) -> None:
    sums = folder / "x.md5"
    wrong = hashlib.md5(b"other", usedforsecurity=False).hexdigest()
    sums.write_text(f"{wrong}  a b.bin\n{wrong}  gone.bin\nnot a line\n")
    assert outcomes(sums) == [Outcome.MISMATCH, Outcome.MISSING]
    assert read_checksum_file(sums).oddities == ("x.md5:3: not a checksum line, skipped.",)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../secret", "sub/../../secret", "..", "\\/etc/passwd"]
)
def test_names_cannot_leave_the_folder(folder: Path, name: str) -> None:
    sums = folder / "x.sfv"
    sums.write_text(f"{name} 00000000\n")
    with pytest.raises(BadInput, match="out of the checksum file's folder"):
        read_checksum_file(sums)


def test_links_cannot_leave_the_folder(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/hostname")
    sums = folder / "x.sfv"
    sums.write_text("link 00000000\n")
    with pytest.raises(BadInput, match="leads out"):
        outcomes(sums)


def test_a_fifo_is_not_waited_for(folder: Path) -> None:
    import os

    os.mkfifo(folder / "fifo")
    sums = folder / "x.sfv"
    sums.write_text("fifo 00000000\n")
    assert outcomes(sums) == [Outcome.MISSING]


@pytest.mark.parametrize("text", ["", "hello\nworld\n", "; only a comment\n"])
def test_a_file_without_checksums_is_refused(tmp_path: Path, text: str) -> None:
    sums = tmp_path / "x.sha256"
    sums.write_text(text)
    with pytest.raises(BadInput, match="holds no checksums"):
        read_checksum_file(sums)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    sums = tmp_path_factory.getbasetemp() / "any.sfv"
    sums.write_bytes(raw)
    try:
        file = read_checksum_file(sums)
    except BadInput:
        return
    assert all(entry.name for entry in file.entries)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_digest_tells_its_algorithm_by_its_length(algorithm: Algorithm) -> None:
    digests = digest_bytes(CONTENT)
    text = getattr(digests, algorithm.value)
    for written in (text, text.upper(), f"{algorithm.value}:{text}"):
        expected = parse_digest(written)
        assert (expected.algorithm, expected.digest) == (algorithm, text)


@pytest.mark.parametrize("text", ["", "xyz", "12345", "sha1:" + "0" * 64, "g" * 32])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_digest(text)


def test_a_digest_matches_any_part_or_none() -> None:
    known = [("x.bin", digest_bytes(b"x")), ("track 1", digest_bytes(b"y"))]
    found = match_digests([parse_digest(known[1][1].sha1)], known)
    assert (found[0].outcome, found[0].name) == (Outcome.MATCH, "track 1")
    missed = match_digests([parse_digest("0" * 40)], known)
    assert missed[0].outcome is Outcome.MISMATCH


def test_only_the_images_own_entries_count(folder: Path) -> None:
    sums = folder / "x.sfv"
    sums.write_text(f"a b.bin {zlib.crc32(CONTENT):08x}\nsub/c.bin 00000000\n")
    chosen = select(read_checksum_file(sums), [folder / "a b.bin"])
    assert [entry.name for entry in chosen.entries] == ["a b.bin"]
    with pytest.raises(BadInput, match="lists none of the image's files"):
        select(read_checksum_file(sums), [folder / "other.bin"])
