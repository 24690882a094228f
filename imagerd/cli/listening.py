# SPDX-License-Identifier: Apache-2.0
"""What is told of audio without being asked."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.cli.sources import Opened


def swapped_remarks(disc: Opened, *, swap: bool) -> Iterator[str]:
    """A warning where the audio of an image, as it is written, has the wrong order of bytes."""
    if disc.image is None:
        return
    from imagerd.formats.features import spans
    from imagerd.toolkit.endianness import SwappedAudio, looks_swapped

    numbers = looks_swapped(SwappedAudio(disc.source) if swap else disc.source)
    if numbers:
        many = "tracks" if len(numbers) > 1 else "track"
        how = "without" if swap else "with"
        yield (
            f"The audio of {many} {spans(numbers)} looks as if its bytes were exchanged; try"
            f" {how} --swap."
        )
