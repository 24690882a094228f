# SPDX-License-Identifier: Apache-2.0
"""Bit streams, most significant bit first, and the word for data that contradict themselves."""

from __future__ import annotations


class Corrupt(Exception):
    """Bytes that are not what a codec or a table makes. Never leaves this package."""


class BitReader:
    """Reads unsigned numbers of up to 56 bits. Past the end come zeros; see `overrun`."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self.position = position  # in bits

    def peek(self, count: int) -> int:
        """The next `count` bits, without taking them."""
        at, shift = divmod(self.position, 8)
        window = int.from_bytes(self._data[at : at + 8].ljust(8, b"\0"), "big")
        return window >> (64 - shift - count) & ((1 << count) - 1)

    def read(self, count: int) -> int:
        """Take the next `count` bits."""
        value = self.peek(count)
        self.position += count
        return value

    @property
    def overrun(self) -> bool:
        """Whether more was taken than there is."""
        return self.position > len(self._data) * 8


class BitWriter:
    """Collects numbers as bits."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._value = 0
        self._count = 0

    def write(self, value: int, count: int) -> None:
        """Append `value` in `count` bits."""
        self._value = self._value << count | value
        self._count += count
        while self._count >= 8:
            self._count -= 8
            self._done.append(self._value >> self._count & 0xFF)
        self._value &= (1 << self._count) - 1

    @property
    def count(self) -> int:
        """How many bits were written."""
        return len(self._done) * 8 + self._count

    def data(self) -> bytes:
        """What was written, filled up with zeros to a whole byte."""
        if self._count:
            return bytes(self._done) + bytes(((self._value << (8 - self._count)) & 0xFF,))
        return bytes(self._done)
