# SPDX-License-Identifier: Apache-2.0
"""AES with keys of 256 bits, deciphering only (FIPS 197), for the few kilobytes of a descriptor.

All blocks at once: they do not depend on each other until the chaining, which comes last.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from imagerd.disc.source import Bytes2D

BLOCK = 16
_ROUNDS, _WORDS = 14, 8
# Where each byte of a block comes from when the rows are shifted back (5.3.1); columns come first.
_UNSHIFTED = [(column - row) % 4 * 4 + row for column in range(4) for row in range(4)]


def _times(a: int, b: int) -> int:
    """The product in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1 (4.2)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


@cache
def _boxes() -> tuple[bytes, bytes]:
    """The S-box and its inverse (5.1.1, 5.3.2)."""
    box = bytearray(256)
    for value in range(256):
        inverse = next((other for other in range(256) if _times(value, other) == 1), 0)
        turned = inverse
        for by in range(1, 5):
            turned ^= (inverse << by | inverse >> (8 - by)) & 0xFF
        box[value] = turned ^ 0x63
    return bytes(box), bytes(box.index(value) for value in range(256))


@cache
def _multiples() -> dict[int, Bytes2D]:
    """All bytes times 14, 11, 13 and 9, which undo the mixing of columns (5.3.3)."""
    return {by: np.array([_times(v, by) for v in range(256)], np.uint8) for by in (14, 11, 13, 9)}


def _round_keys(key: bytes) -> Bytes2D:
    """(15, 16): the expanded key (5.2)."""
    box, _ = _boxes()
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    constant = 1
    while len(words) < 4 * (_ROUNDS + 1):
        word = words[-1]
        if len(words) % _WORDS == 0:
            word = bytes((box[word[1]] ^ constant, box[word[2]], box[word[3]], box[word[0]]))
            constant = _times(constant, 2)
        elif len(words) % _WORDS == 4:
            word = bytes(box[byte] for byte in word)
        before = words[len(words) - _WORDS]
        words.append(bytes(a ^ b for a, b in zip(word, before, strict=True)))
    return np.frombuffer(b"".join(words), np.uint8).reshape(-1, BLOCK)


def decipher(key: bytes, blocks: Bytes2D) -> Bytes2D:
    """(n, 16) deciphered blocks, of (n, 16) blocks, by a `key` of 32 bytes (5.3)."""
    keys = _round_keys(key)
    inverse = np.frombuffer(_boxes()[1], np.uint8)
    state: Bytes2D = blocks ^ keys[_ROUNDS]
    for number in range(_ROUNDS - 1, -1, -1):
        state = np.take(inverse, state[:, _UNSHIFTED]) ^ keys[number]
        if number:
            state = _unmixed(state)
    return state


def _unmixed(state: Bytes2D) -> Bytes2D:
    columns = state.reshape(-1, 4, 4)
    by = _multiples()
    mixed = np.zeros_like(columns)
    for row in range(4):
        for at, factor in enumerate((14, 11, 13, 9)):
            mixed[:, :, row] ^= by[factor][columns[:, :, (row + at) % 4]]
    return mixed.reshape(-1, BLOCK)
