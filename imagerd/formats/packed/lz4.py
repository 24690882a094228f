# SPDX-License-Identifier: Apache-2.0
"""The LZ4 library, loaded where a container needs it, and missed in one sentence."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Protocol, cast

from imagerd.base.errors import BadInput


class Decompress(Protocol):
    """lz4.block.decompress."""

    def __call__(self, data: bytes | memoryview, *, uncompressed_size: int) -> bytes:
        """The unpacked block."""
        ...


class Compress(Protocol):
    """lz4.block.compress."""

    def __call__(
        self, data: bytes | memoryview, *, mode: str, compression: int, store_size: bool
    ) -> bytes:
        """The packed block."""
        ...


@cache
def _library() -> object:
    try:
        return import_module("lz4.block")
    except ImportError:
        raise BadInput(
            "This image is packed with LZ4, which is not installed; install the package lz4."
        ) from None


def lz4_block() -> tuple[Decompress, type[Exception]]:
    """How to unpack an LZ4 block, and what it raises for a damaged one. Raises `BadInput`."""
    library = _library()
    wrong = cast("type[Exception]", library.LZ4BlockError)  # type: ignore[attr-defined]
    return cast("Decompress", library.decompress), wrong  # type: ignore[attr-defined]


def lz4_compress() -> Compress:
    """How to make an LZ4 block. Raises `BadInput`."""
    return cast("Compress", _library().compress)  # type: ignore[attr-defined]
