# SPDX-License-Identifier: Apache-2.0
"""The picture as PNG (ISO/IEC 15948): 8 bits of red, green and blue, no transparency."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imagerd.recovery.picture.lettering import HEIGHT, lettered, width
from imagerd.recovery.picture.marking import grouped
from imagerd.recovery.picture.raster import Canvas, Distances, Pixels, on_hub
from imagerd.recovery.picture.scheme import HUB, PLATE, Rgb
from imagerd.recovery.picture.surface import HOLE, RADIUS, Disc, Picture

SIZE = 1200  # pixels of a disc
_SMALLEST = 400  # so that the legend has room
_MARGIN = 40
_SCALE = 3  # of letters
_TITLE = 5
_LINE = 44
_PAPER: Rgb = (255, 255, 255)
_INK: Rgb = (30, 33, 39)
_FAINT: Rgb = (110, 116, 126)
_GLOW = 3  # pixels around what stands out
_STRENGTH = 0.4

Image = npt.NDArray[np.uint8]  # (height, width, 3)


def png(picture: Picture, size: int = SIZE) -> bytes:
    """The picture with its legend; `size` pixels for each disc."""
    return encode(paint(picture, size), {"Title": picture.title, "Software": "imagerd"})


def paint(picture: Picture, size: int = SIZE) -> Image:
    """The pixels of the whole picture."""
    size = max(size, _SMALLEST)
    entries = list(_entries(picture))
    wide = len(picture.discs) * (size + _MARGIN) + _MARGIN
    rows = list(_rows(entries, wide))
    captions = any(disc.caption for disc in picture.discs)
    lines = 2 * bool(picture.title) + captions + len(rows) + bool(picture.remark)
    image = np.full((size + 2 * _MARGIN + (lines + 1) * _LINE, wide, 3), _PAPER, np.uint8)
    y = _MARGIN
    if picture.title:
        _write(image, _fitting(picture.title, wide, _TITLE), _MARGIN, y, _INK, _TITLE)
        y += 2 * _LINE
    for number, disc in enumerate(picture.discs):
        x = _MARGIN + number * (size + _MARGIN)
        image[y : y + size, x : x + size] = _painted(picture, disc, size)
        if disc.caption:
            middle = x + (size - width(disc.caption, _SCALE)) // 2
            _write(image, disc.caption, middle, y + size + 12, _INK)
    y += size + captions * _LINE + _MARGIN
    for row in rows:
        _write_row(image, row, y)
        y += _LINE
    if picture.remark:
        _write(image, _fitting(picture.remark, wide), _MARGIN, y, _FAINT)
    return image


def encode(image: Image, texts: dict[str, str] | None = None) -> bytes:
    """The bytes of a PNG file; `texts` as Latin-1, what is not in that as question marks."""
    height, wide, _ = image.shape
    raw = np.zeros((height, 1 + wide * 3), np.uint8)
    rows = image.reshape(height, -1)
    raw[0, 1:] = rows[0]
    raw[1:, 0] = 2  # filter "up": a row less the one above it
    raw[1:, 1:] = rows[1:] - rows[:-1]
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", wide, height, 8, 2, 0, 0, 0)),
            *(
                _chunk(b"tEXt", f"{key}\0{text.replace(chr(0), '?')}".encode("latin-1", "replace"))
                for key, text in (texts or {}).items()
            ),
            _chunk(b"IDAT", zlib.compress(raw.tobytes(), 6)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _painted(picture: Picture, disc: Disc, size: int) -> Image:
    canvas = Canvas(size)
    values, radii = canvas.values(picture, disc), canvas.radii()
    colours = np.array([PLATE, *(tone.colour for tone in picture.scheme.tones)], np.float64)
    image = colours[values]
    image[on_hub(radii)] = HUB
    _glow(image, values, picture.scheme.calm, colours)
    inside = _edge(RADIUS - radii, size) * _edge(radii - HOLE, size)
    image = image * inside[..., None] + np.array(_PAPER) * (1 - inside[..., None])
    return image.round().astype(np.uint8)


def _glow(
    image: npt.NDArray[np.float64], values: Pixels, calm: int, colours: npt.NDArray[np.float64]
) -> None:
    """Around what stands out, the ground takes on some of its colour."""
    loud = np.where(values > calm, values, 0).astype(np.uint8)
    around = loud
    for _ in range(_GLOW):
        padded = np.pad(around, 1)
        sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        around = np.maximum.reduce((around, *sides))
    glowing = (around > 0) & (loud == 0)
    image[glowing] += (colours[around[glowing]] - image[glowing]) * _STRENGTH


def _edge(distance: Distances, size: int) -> Distances:
    """How much of a pixel is inside, by its middle's distance in mm from the edge."""
    return np.clip(distance * size / (2 * RADIUS) + 0.5, 0.0, 1.0)


def _entries(picture: Picture) -> Iterator[tuple[Rgb | None, str]]:
    if picture.scheme.name != "state":
        yield None, f"{picture.scheme.name}:"
    for tone, count in zip(picture.scheme.tones, picture.counts, strict=True):
        if count:
            yield tone.colour, f"{tone.name} {grouped(count)}"


def _rows(
    entries: list[tuple[Rgb | None, str]], wide: int
) -> Iterator[list[tuple[int, Rgb | None, str]]]:
    """The legend in rows of (x, colour, text)."""
    row: list[tuple[int, Rgb | None, str]] = []
    x = _MARGIN
    for colour, text in entries:
        needed = width(text, _SCALE) + (_LINE if colour else 0)
        if row and x + needed > wide - _MARGIN:
            yield row
            row, x = [], _MARGIN
        row.append((x, colour, text))
        x += needed + _MARGIN
    yield row


def _write_row(image: Image, row: list[tuple[int, Rgb | None, str]], y: int) -> None:
    box = HEIGHT * _SCALE
    for x, colour, text in row:
        if colour is not None:
            image[y - 2 : y + box, x : x + box + 2] = _FAINT
            image[y : y + box - 2, x + 2 : x + box] = colour
        _write(image, text, x + (_LINE if colour else 0), y, _INK)


def _write(image: Image, text: str, x: int, y: int, colour: Rgb, scale: int = _SCALE) -> None:
    dots = lettered(text, scale)[:, : image.shape[1] - x]
    image[y : y + dots.shape[0], x : x + dots.shape[1]][dots] = colour


def _fitting(text: str, wide: int, scale: int = _SCALE) -> str:
    most = (wide - 2 * _MARGIN) // width(" ", scale)
    return text if len(text) <= most else text[: most - 3] + "..."
