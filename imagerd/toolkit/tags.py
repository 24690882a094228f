# SPDX-License-Identifier: Apache-2.0
"""What a disc says of its tracks, as the tags of audio files."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from imagerd.disc.cdtext import PackType
from imagerd.disc.layout import Layout

Tags = tuple[tuple[str, str], ...]

_OF_TRACK = (
    (PackType.TITLE, "TITLE"),
    (PackType.PERFORMER, "ARTIST"),
    (PackType.COMPOSER, "COMPOSER"),
    (PackType.SONGWRITER, "LYRICIST"),
    (PackType.ARRANGER, "ARRANGER"),
    (PackType.MESSAGE, "COMMENT"),
)
_FROM_DISC = frozenset({PackType.PERFORMER, PackType.COMPOSER, PackType.SONGWRITER})
_INFO = {  # RIFF INFO (Microsoft/IBM, 1991); ITRK is what players agree on
    "TITLE": b"INAM",
    "ARTIST": b"IART",
    "ALBUM": b"IPRD",
    "TRACKNUMBER": b"ITRK",
    "COMMENT": b"ICMT",
}


def tags_of(layout: Layout, number: int) -> Tags:
    """The tags of track `number`, by the names that Vorbis comments have; 0: before the first.

    From CD-Text (its first language), ISRC and MCN. What the disc says of all tracks counts for
    a track of which it says nothing.
    """
    tags = []
    text = layout.cd_text
    if text is not None:
        for kind, name in _OF_TRACK:
            value = text.get(kind, number) if number else None
            if not value and kind in _FROM_DISC:
                value = text.get(kind)
            tags.append((name, value))
        tags.append(("ALBUM", text.get(PackType.TITLE)))
        tags.append(("ALBUMARTIST", text.get(PackType.PERFORMER)))
    tags.append(("TRACKNUMBER", str(number)))
    tags.append(("TRACKTOTAL", str(layout.tracks[-1].number)))
    isrc = next((track.isrc for track in layout.tracks if track.number == number), None)
    tags.append(("ISRC", isrc))
    tags.append(("MCN", layout.mcn))
    return tuple((name, value) for name, value in tags if value)


def vorbis_comment(tags: Iterable[tuple[str, str]], vendor: bytes) -> bytes:
    """The body of a FLAC VORBIS_COMMENT block (RFC 9639, 8.6): lengths little-endian, UTF-8."""
    fields = [f"{name}={value}".encode(errors="replace") for name, value in tags]
    body = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(fields))
    return body + b"".join(struct.pack("<I", len(field)) + field for field in fields)


def info_list(tags: Iterable[tuple[str, str]]) -> bytes:
    """A LIST INFO chunk of a WAVE file, whole; b"" without tags. ISRC and MCN go to its comment."""
    known = dict(tags)
    codes = [f"{name} {known[name]}" for name in ("ISRC", "MCN") if name in known]
    comment = "; ".join(filter(None, [known.get("COMMENT"), *codes]))
    if comment:
        known["COMMENT"] = comment
    body = b"".join(
        _chunk(code, known[name].encode(errors="replace") + b"\0")
        for name, code in _INFO.items()
        if name in known
    )
    return _chunk(b"LIST", b"INFO" + body) if body else b""


def _chunk(code: bytes, body: bytes) -> bytes:
    return code + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
