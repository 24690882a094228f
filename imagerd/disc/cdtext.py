# SPDX-License-Identifier: Apache-2.0
"""CD-Text: 18-byte packs (MMC-6, annex J; Sony's "CD-TEXT" chapter of the Red Book).

A pack: type 80–8F, track, sequence, block and character position, 12 bytes of payload, CRC-16
(poly 0x1021, inverted, big-endian). The packs are kept as they are; the decoded texts are a view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from fastcrc import crc16

PACK = 18


class PackType(IntEnum):
    """The first byte of a pack."""

    TITLE = 0x80
    PERFORMER = 0x81
    SONGWRITER = 0x82
    COMPOSER = 0x83
    ARRANGER = 0x84
    MESSAGE = 0x85
    DISC_ID = 0x86
    GENRE = 0x87
    TOC_INFO = 0x88
    TOC_INFO2 = 0x89
    CLOSED_INFO = 0x8D
    CODE = 0x8E  # UPC/EAN for the disc, ISRC for tracks
    SIZE_INFO = 0x8F


_TEXT_TYPES = frozenset(
    {
        PackType.TITLE,
        PackType.PERFORMER,
        PackType.SONGWRITER,
        PackType.COMPOSER,
        PackType.ARRANGER,
        PackType.MESSAGE,
        PackType.DISC_ID,
        PackType.CODE,
    }
)


@dataclass(frozen=True, slots=True)
class Text:
    """One decoded text: `track` 0 is the disc; `block` is the language block, 0–7."""

    block: int
    kind: PackType
    track: int
    value: str


@dataclass(frozen=True, slots=True)
class CdText:
    """The packs of a disc's lead-in, unchanged, `18 * n` bytes with their CRCs."""

    packs: bytes

    def __post_init__(self) -> None:
        if len(self.packs) % PACK:
            raise ValueError(f"CD-Text of {len(self.packs)} bytes is not a number of packs")

    def bad_packs(self) -> tuple[int, ...]:
        """Numbers of the packs whose CRC is wrong."""
        return tuple(
            number for number, pack in enumerate(self._split()) if pack_crc(pack[:16]) != pack[16:]
        )

    def texts(self) -> tuple[Text, ...]:
        """All texts; a TAB alone repeats the previous track's text, as the standard has it."""
        streams: dict[tuple[int, int], list[bytes]] = {}
        for pack in self._split():
            if pack[0] in _TEXT_TYPES:
                streams.setdefault((pack[3] >> 4 & 7, pack[0]), []).append(pack)
        charsets, firsts = self._of_blocks(4), self._of_blocks(5)
        return tuple(
            text
            for (block, kind), packs in sorted(streams.items())
            for text in _decode(
                block, PackType(kind), packs, charsets.get(block, 0), firsts.get(block, 0) or 1
            )
        )

    def get(self, kind: PackType, track: int = 0, block: int = 0) -> str | None:
        """One text, or None."""
        for text in self.texts():
            if (text.kind, text.track, text.block) == (kind, track, block):
                return text.value
        return None

    def _split(self) -> list[bytes]:
        return [self.packs[at : at + PACK] for at in range(0, len(self.packs), PACK)]

    def _of_blocks(self, at: int) -> dict[int, int]:
        """Byte `at` of the first of each block's three SIZE_INFO packs: 4 is the character code,
        5 the first track.
        """
        return {
            pack[3] >> 4 & 7: pack[at]
            for pack in self._split()
            if pack[0] == PackType.SIZE_INFO and pack[1] == 0
        }


def _decode(block: int, kind: PackType, packs: list[bytes], charset: int, first: int) -> list[Text]:
    wide = bool(packs[0][3] & 0x80)
    encoding = "shift_jis" if charset == 0x80 or wide else "iso-8859-1"
    payload = b"".join(pack[4:16] for pack in packs)
    end = b"\0\0" if wide else b"\0"
    step = len(end)
    texts: list[Text] = []
    track, begin, previous = packs[0][1] & 0x7F, 0, ""
    for at in range(0, len(payload) - step + 1, step):
        if payload[at : at + step] != end:
            continue
        raw = payload[begin:at]
        value = raw.decode(encoding, "replace")
        value = previous if value == "\t" * step else value
        if value:
            texts.append(Text(block, kind, track, value))
        previous, begin = value, at + step
        track = track + 1 if track else first  # the disc's own text comes before the first track's
        if not payload[begin:].strip(b"\0"):
            break
    return texts


def pack_crc(head: bytes) -> bytes:
    """The two CRC bytes of the first sixteen bytes of a pack."""
    return crc16.gsm(head).to_bytes(2, "big")


def build(texts: Iterable[Text], tracks: int, first_track: int = 1) -> CdText:
    """CD-Text with ISO 8859-1 texts: every kind given gets a text (maybe empty) for each track."""
    wanted = list(texts)
    packs: list[bytes] = []
    counts: dict[tuple[int, int], int] = {}
    for block in sorted({text.block for text in wanted}):
        start = len(packs)
        kinds = sorted({text.kind for text in wanted if text.block == block})
        for kind in kinds:
            values = {t.track: t.value for t in wanted if (t.block, t.kind) == (block, kind)}
            made = _encode_kind(block, kind, values, first_track, tracks, len(packs) - start)
            counts[block, kind] = len(made)
            packs += made
        size = _size_info(block, counts, first_track, tracks, len(packs) - start)
        packs += size
    return CdText(b"".join(packs))


def _encode_kind(
    block: int, kind: PackType, values: dict[int, str], first: int, tracks: int, sequence: int
) -> list[bytes]:
    numbers = [0, *range(first, first + tracks)]
    payload, owners, positions = bytearray(), list[int](), list[int]()
    for number in numbers:
        text = values.get(number, "").encode("iso-8859-1", "replace") + b"\0"
        payload += text
        owners += [number] * len(text)
        positions += [min(at, 15) for at in range(len(text))]
    packs: list[bytes] = []
    for at in range(0, len(payload), 12):
        part = bytes(payload[at : at + 12]).ljust(12, b"\0")
        head = bytes((kind, owners[at], (sequence + len(packs)) & 0xFF, block << 4 | positions[at]))
        packs.append(head + part + pack_crc(head + part))
    return packs


def _size_info(
    block: int, counts: dict[tuple[int, int], int], first: int, tracks: int, sequence: int
) -> list[bytes]:
    table = bytes(counts.get((block, kind), 0) for kind in range(0x80, 0x8F)) + b"\x03"
    last = bytes((sequence + 2) & 0xFF if b == block else 0 for b in range(8))
    body = bytes((0, first, first + tracks - 1, 0)) + table + last
    body += bytes(9 if b == block else 0 for b in range(8))  # language code 9: English
    packs = []
    for number in range(3):
        head = bytes((PackType.SIZE_INFO, number, (sequence + number) & 0xFF, block << 4))
        part = body[number * 12 : number * 12 + 12]
        packs.append(head + part + pack_crc(head + part))
    return packs
