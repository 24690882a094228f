# SPDX-License-Identifier: Apache-2.0
"""Changed bytes and texts, the same for the same random numbers.

Half of all inputs come out of a `Sweep`, which goes through every place of a header, width, byte
order and value in turn, so that a few thousand inputs are spread evenly over it; the other half are
several changes at random, one upon the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

HEAD, TAIL = 1024, 3072  # bytes at both ends of a binary file, where its structures lie
_WIDTHS = (1, 2, 4, 8)
_TEXT = 64 << 10  # a longer file is no sheet
_STRIDE = 1_000_003  # a prime: any number of inputs in a row is spread over the whole sweep
_MOST = 1 << 20  # bytes that a change may make of a file

_WORDS = (
    b"0", b"-1", b"1", b"99", b"100", b"255", b"4294967295", b"4294967296", b"2147483647",
    b"-2147483648", b"9" * 30, b"0x7fffffff", b"0xffffffffffffffff", b"1e9", b"00:00:00",
    b"99:59:74", b"9999:99:99", b"-1:00:00", b"../outside", b"/etc/passwd", b"/dev/zero",
    b"..\\outside", b"C:\\outside", b"\\\\host\\share\\x", b"link", b"pipe", b".", b"", b"\0",
    b'"', b"'", b"\\", b"[", b"]", b"=", b"{", b"}", b"<", b">", b"&x;", b"%s", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xc3\x28", b"\xe2\x80\xae", b"\x1b[2J", b"\r", b"A" * 5000, b"x" * 300,
)  # fmt: skip
_TOKEN = re.compile(rb'"[^"\n]*"|[^\s"=:,<>]+')


def is_text(data: bytes) -> bool:
    """Whether it is changed by words and lines, not by bytes."""
    return 0 < len(data) < _TEXT and data.translate(None, _PRINTED) == b""


_PRINTED = bytes([9, 10, 13, *range(32, 127)])


@dataclass(frozen=True, slots=True)
class Sweep:
    """All single changes of a file's structures: values at each place, and cuts."""

    data: bytes

    def __getitem__(self, at: int) -> bytes:
        """The changed file; any number gives one."""
        at = at * _STRIDE
        if at % 16 == 0:
            at //= 16
            return self.data[: self._place(at)]
        at, width = divmod(at // 16, len(_WIDTHS))
        at, big = divmod(at, 2)
        values = _values(_WIDTHS[width], len(self.data))
        at, which = divmod(at, len(values))
        place = self._place(at)
        value = values[which].to_bytes(_WIDTHS[width], "big" if big else "little")
        return (self.data[:place] + value + self.data[place + len(value) :])[: len(self.data)]

    def _place(self, at: int) -> int:
        size = len(self.data)
        if size <= HEAD + TAIL:
            return at % max(1, size)
        at %= HEAD + TAIL
        return at if at < HEAD else size - (at - HEAD) - 1


def _values(width: int, size: int) -> Sequence[int]:
    """What a field may be: nothing, everything, the signs' borders, sizes that are in the file."""
    top = 1 << (8 * width)
    sizes = (size, size - 1, size + 1, size // 2, 2048, 2352, 45000, 360000)
    found = (0, 1, top - 1, top - 2, top // 2, top // 2 - 1, top // 4, 0x80, 0x10000, *sizes)
    return tuple(value for value in dict.fromkeys(found) if 0 <= value < top)


def changed(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to four changes; `others` are files to take pieces from."""
    kinds = _OF_TEXT if is_text(data) and random.random() < 0.9 else _OF_BYTES
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        data = random.choice(kinds)(data, random, others)[:_MOST]
    return data


# -- bytes -------------------------------------------------------------------------------------


def _place(data: bytes, random: Random) -> int:
    """A place in the data, most of them near the ends."""
    size = len(data)
    draw = random.random()
    if draw < 0.4:
        return random.randrange(min(size, HEAD) + 1)
    if draw < 0.8:
        return size - random.randrange(min(size, TAIL) + 1)
    return random.randrange(size + 1)


def _flip(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    result = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = _place(data, random)
        if at < len(result):
            result[at] ^= random.choice((1, 0x80, 0xFF, 1 << random.randrange(8)))
    return bytes(result)


def _value(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    width = random.choice(_WIDTHS)
    value = random.choice(_values(width, len(data)))
    at = _place(data, random)
    if random.random() < 0.2:  # one more or less than there was
        order = random.choice(("big", "little"))
        value = int.from_bytes(data[at : at + width], order) + random.choice((-1, 1))
        value %= 1 << (8 * width)
    put = value.to_bytes(width, random.choice(("big", "little")))
    return data[:at] + put + data[at + width :]


def _cut(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return data[: _place(data, random)]


def _span(data: bytes, random: Random) -> tuple[int, int]:
    at = _place(data, random)
    return at, min(len(data), at + random.choice((1, 2, 4, 8, 16, 64, 512, 4096)))


def _remove(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at, end = _span(data, random)
    return data[:at] + data[end:]


def _repeat(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at, end = _span(data, random)
    return data[:end] + data[at:end] * random.choice((1, 1, 2, 100)) + data[end:]


def _insert(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at = _place(data, random)
    size = random.choice((1, 2, 4, 8, 512))
    filling = random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))
    return data[:at] + filling + data[at:]


def _overwrite(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at, end = _span(data, random)
    return data[:at] + random.randbytes(end - at) + data[end:]


def _move(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at, end = _span(data, random)
    to = _place(data, random)
    return data[:to] + data[at:end] + data[to + end - at :]


def _splice(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else data
    if random.random() < 0.5:
        return data[: _place(data, random)] + other[_place(other, random) :]
    at, end = _span(other, random)
    to = _place(data, random)
    return data[:to] + other[at:end] + data[to + end - at :]


# -- text --------------------------------------------------------------------------------------


def _word(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """One word in the place of another: a hostile one, or one from anywhere."""
    tokens = list(_TOKEN.finditer(data))
    if not tokens:
        return data + random.choice(_WORDS)
    token = random.choice(tokens)
    word = random.choice(_WORDS)
    if random.random() < 0.4:
        found = _TOKEN.findall(random.choice((data, *others))[:_TEXT])
        word = random.choice(found) if found else word
    if token[0][:1] == b'"' and random.random() < 0.7:
        word = b'"' + word.strip(b'"') + b'"'
    return data[: token.start()] + word + data[token.end() :]


def _lines(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A line left out, repeated, put elsewhere or taken from another file."""
    lines = data.splitlines(keepends=True) or [b""]
    at, to = random.randrange(len(lines)), random.randrange(len(lines) + 1)
    foreign = random.choice(others or (data,))[:_TEXT].splitlines(keepends=True) or [b""]
    draw = random.randrange(5)
    if draw == 0:
        del lines[at]
    elif draw == 1:
        lines[to:to] = [lines[at]] * random.choice((1, 1, 3, 100, 5000))
    elif draw == 2:
        lines.insert(min(to, len(lines) - 1), lines.pop(at))
    elif draw == 3:
        lines.insert(to, random.choice(foreign))
    else:
        del lines[at : at + random.randrange(1, 5)]
    return b"".join(lines)


def _digits(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """A number a little different, or far out."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    found = random.choice(numbers)
    value = int(found[0][:18]) + random.choice((-1, 1, 75, -150, 4500, 10**6, 2**31, 2**32, 2**63))
    return data[: found.start()] + b"%d" % value + data[found.end() :]


_Change = Callable[[bytes, Random, Sequence[bytes]], bytes]
_OF_BYTES: tuple[_Change, ...] = (
    _flip, _flip, _value, _value, _value, _cut, _remove, _repeat, _insert, _overwrite, _move,
    _splice,
)  # fmt: skip
_OF_TEXT: tuple[_Change, ...] = (_word, _word, _word, _lines, _lines, _digits, _digits, _flip, _cut)
