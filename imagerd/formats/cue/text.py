# SPDX-License-Identifier: Apache-2.0
"""The bytes of a text file as lines, with nothing lost: encodings, byte order marks, line ends."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WIDE = ("utf-16-le", "utf-16-be")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a sheet is encoded. `certain` is False where only its letters speak for `codec`."""

    codec: str
    mark: bytes = b""
    certain: bool = True


def detect(data: bytes) -> Encoding:
    """The encoding of a sheet: a mark, UTF-8 if it is that, or the likeliest older code."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return Encoding(codec, mark)
    if len(data) >= 4 and data[1:4:2] == b"\0\0" and data[0] and data[2]:
        return Encoding("utf-16-le", certain=False)
    if len(data) >= 4 and data[0:4:2] == b"\0\0" and data[1] and data[3]:
        return Encoding("utf-16-be", certain=False)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return Encoding(_likeliest(data), certain=False)
    return Encoding("utf-8")


def _likeliest(data: bytes) -> str:
    """Japanese if there is kana, Cyrillic if most high bytes are its small letters, or Chinese."""
    high = bytes(byte for byte in data if byte >= 0x80)
    japanese = _decoded(data, "cp932")
    if japanese is not None and any("\u3041" <= letter <= "\u30fa" for letter in japanese):
        return "cp932"
    if sum(byte >= 0xE0 for byte in high) * 10 >= len(high) * 6 and len(high) >= 4:
        return "cp1251"
    chinese = _decoded(data, "gbk")
    if chinese is not None:
        wide = [letter for letter in chinese if ord(letter) >= 0x80]
        common = sum("\u4e00" <= letter <= "\u9fff" for letter in wide)
        if common * 10 >= len(wide) * 7:
            return "gbk"
    return "cp1252" if _decoded(data, "cp1252") is not None else "iso-8859-1"


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def split_lines(data: bytes, encoding: Encoding) -> list[bytes]:
    """The lines after the mark, each with its line end; joined they are the input again."""
    body = data[len(encoding.mark) :]
    if encoding.codec not in WIDE:
        return body.splitlines(keepends=True)
    newline = "\n".encode(encoding.codec)
    lines: list[bytes] = []
    begin = search = 0
    while (at := body.find(newline, search)) >= 0:
        search = at + 1 if at % 2 else at + 2
        if at % 2 == 0:
            lines.append(body[begin:search])
            begin = search
    if begin < len(body):
        lines.append(body[begin:])
    return lines
