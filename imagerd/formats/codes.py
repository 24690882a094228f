# SPDX-License-Identifier: Apache-2.0
"""ISRC and media catalogue number as containers and Q hold them: twelve signs, thirteen digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from imagerd.disc.layout import Layout

_ISRC = re.compile(r"[A-Z0-9]{5}[0-9]{7}")
_MCN = re.compile(r"[0-9]{13}")


def is_isrc(code: str | None) -> bool:
    """Whether it is an ISRC (ISO 3901; ECMA-130, 22.3.3.3)."""
    return code is not None and _ISRC.fullmatch(code) is not None


def is_mcn(code: str | None) -> bool:
    """Whether it is a media catalogue number (ECMA-130, 22.3.3.2)."""
    return code is not None and _MCN.fullmatch(code) is not None


def with_codes(layout: Layout) -> Layout:
    """The layout without codes that are none."""
    kept = layout.with_tracks(
        lambda track: replace(track, isrc=track.isrc if is_isrc(track.isrc) else None)
    )
    return replace(kept, mcn=layout.mcn if is_mcn(layout.mcn) else None)


def bad_codes(layout: Layout) -> Iterator[str]:
    """Sentences about the codes that `with_codes` drops."""
    if layout.mcn and not is_mcn(layout.mcn):
        yield f"the media catalogue number, which is not one: {layout.mcn!r}"
    for track in layout.tracks:
        if track.isrc and not is_isrc(track.isrc):
            yield f"the ISRC of track {track.number}, which is not one: {track.isrc!r}"
