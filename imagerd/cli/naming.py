# SPDX-License-Identifier: Apache-2.0
"""Many images by few words: folders, and lists that are longer than a command line may be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from imagerd.base.errors import BadInput, ImagerdError


def named_in(lists: Iterable[IO[bytes]]) -> tuple[str, ...]:
    """The names in `lists`: one a line, or each ended by a zero byte where there is any."""
    names: list[str] = []
    for stream in lists:
        content = stream.read()
        parts = content.split(b"\0") if b"\0" in content else content.splitlines()
        names += (os.fsdecode(part) for part in parts if part)
    return tuple(names)


def images_in(named: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, Exception], ...]]:
    """What is named, the images below a folder in its place; and folders that have none, and why.

    See `imagerd.toolkit.match.gather` for what counts as an image of a folder.
    """
    images: list[str] = []
    refused: list[tuple[str, Exception]] = []
    for name in named:
        folder = Path(name)
        if not folder.is_dir():
            images.append(name)
            continue
        from imagerd.toolkit.match.gather import gather

        before = len(images)
        try:
            images += (str(image) for image in gather((folder,)))
        except (ImagerdError, OSError) as error:
            refused.append((name, error))
        else:
            if len(images) == before:
                refused.append((name, BadInput(f"There is no image in {name}.")))
    return tuple(images), tuple(refused)
