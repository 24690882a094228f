# SPDX-License-Identifier: Apache-2.0
"""Four digests of a disc in one pass, against the same digests one after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.discs import RAW_SIZE, raw_image
from benchmarks.table import Row, best, command, gigabytes, workplace
from benchmarks.verbs import IMAGERCTL
from imagerd.base.digests import Hasher

_BLOCK = 1 << 20


def rows() -> Iterator[Row]:
    """The hasher by itself, and the verb against coreutils."""
    with workplace() as folder:
        sheet = raw_image(folder)
        image = sheet.with_suffix(".bin")
        yield from _hasher(image)
        yield from _verb(sheet, image)


def _hasher(image: Path) -> Iterator[Row]:
    times = best(
        {
            "threads": lambda: _digest(image, threads=True),
            "one after another": lambda: _digest(image, threads=False),
        },
    )
    ours = times["threads"]
    peer = times["one after another"]
    yield Row(
        "CRC-32, MD5, SHA-1, SHA-256 of 600 MiB",
        gigabytes(RAW_SIZE, ours),
        f"one after another {gigabytes(RAW_SIZE, peer)}",
        peer / ours,
        1.5,
    )


def _digest(image: Path, *, threads: bool) -> None:
    hasher = Hasher(threads=threads)
    with image.open("rb", buffering=0) as stream:
        while data := stream.read(_BLOCK):
            hasher.update(data)
    hasher.digests()


def _verb(sheet: Path, image: Path) -> Iterator[Row]:
    tools = " && ".join(f"{tool} '{image}'" for tool in ("md5sum", "sha1sum", "sha256sum"))
    times = best(
        {"imagerctl": command(IMAGERCTL, "hash", sheet), "tools": command("sh", "-c", tools)},
    )
    ours, peer = times["imagerctl"], times["tools"]
    yield Row(
        "imagerctl hash",
        gigabytes(RAW_SIZE, ours),
        f"md5sum, sha1sum, sha256sum {gigabytes(RAW_SIZE, peer)}",
        peer / ours,
    )
