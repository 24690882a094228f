# SPDX-License-Identifier: Apache-2.0
"""P and Q parity, the Reed-Solomon product code of data sectors (ECMA-130, annex A).

The 2340 bytes after the sync are 1170 little-endian words; the low and the high bytes are two
independent planes over GF(2^8) (polynomial 0x11D, α = 2). The first 1118 words form 26 rows of 43:
each column is a P codeword (24 + 2), and the 26 diagonals are Q codewords, whose two parity words
follow as rows of 26. A codeword v is right if its syndromes Σ v and Σ α^(last - i)·v are both 0.

Everything works on batches transposed to (1170, n), sectors last, where one numpy operation does
the same step for all codewords of all sectors (Horner's rule; multiplication by α is
``(a + a) ^ (0x1d if a > 127)`` on bytes). Verifying needs the syndromes only; nothing is generated.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.galois import DIVIDE_BY_3
from imagerd.sectors.geometry import HEADER, P_PARITY, Q_PARITY, RAW, Flags, as_raw

Words: TypeAlias = npt.NDArray[np.uint16]

ROWS: Final = 26  # of the product code; the last two are P parity
COLUMNS: Final = 43
WORDS: Final = 1170
_MATRIX: Final = ROWS * COLUMNS
BATCH: Final = 1024  # sectors at a time: their sums stay in the caches, calls cost little
_STRIP: Final = 64  # sectors transposed at a time: their words stay in the first cache
_SEVEN: Final = np.int8(7)
_POLY: Final = np.uint8(0x1D)


class _Sums:
    """Both syndromes of several codewords, fed row by row: (codewords, n) words each."""

    __slots__ = ("_bytes", "_carry", "_carry_bytes", "_carry_signed", "_signed", "plain", "weighed")

    def __init__(self, codewords: int, count: int) -> None:
        self.plain: Words = np.zeros((codewords, count), np.uint16)
        self.weighed: Words = np.zeros((codewords, count), np.uint16)
        self._carry: Words = np.empty((codewords, count), np.uint16)
        self._bytes = self.weighed.view(np.uint8)
        self._signed = self.weighed.view(np.int8)
        self._carry_bytes = self._carry.view(np.uint8)
        self._carry_signed = self._carry.view(np.int8)

    def step(self) -> None:
        """Multiply the weighed sums by α."""
        np.right_shift(self._signed, _SEVEN, out=self._carry_signed)
        np.bitwise_and(self._carry_bytes, _POLY, out=self._carry_bytes)
        np.add(self._bytes, self._bytes, out=self._bytes)
        np.bitwise_xor(self.weighed, self._carry, out=self.weighed)

    def add(self, words: Words) -> None:
        """Add the next symbol of every codeword."""
        np.bitwise_xor(self.weighed, words, out=self.weighed)
        np.bitwise_xor(self.plain, words, out=self.plain)

    def add_rotated(self, words: Words, by: int) -> None:
        """Add the next symbol: codeword i takes row (i + by) modulo their number."""
        split = len(words) - by
        for sums in (self.weighed, self.plain):
            np.bitwise_xor(sums[:split], words[by:], out=sums[:split])
            np.bitwise_xor(sums[split:], words[:by], out=sums[split:])

    def clean(self) -> Flags:
        """(n,): where both syndromes of all codewords are zero."""
        np.bitwise_or(self.plain, self.weighed, out=self._carry)
        right: Flags = np.bitwise_or.reduce(self._carry, axis=0) == 0
        return right


def _transpose(raw: Bytes2D, zero_header: Flags | bool, turned: Words) -> Words:
    """(1170, n) words after the sync, in `turned`; the header zero where `zero_header`."""
    if len(raw) < turned.shape[1]:
        turned = turned.reshape(-1)[: WORDS * len(raw)].reshape(WORDS, len(raw))
    words = raw.view(np.uint16)[:, HEADER // 2 :]
    for at in range(0, len(raw), _STRIP):
        turned[:, at : at + _STRIP] = words[at : at + _STRIP].T
    if zero_header is True:
        turned[:2] = 0
    elif zero_header is not False:
        turned[:2, zero_header] = 0
    return turned


def _workspace(count: int) -> Words:
    return np.empty((WORDS, min(count, BATCH)), np.uint16)


def _grid(turned: Words) -> Words:
    """The matrix that P and Q cross, as a view (26, 43, n)."""
    return turned[:_MATRIX].reshape(ROWS, COLUMNS, -1)


def _p_sums(turned: Words, rows: int) -> _Sums:
    sums = _Sums(COLUMNS, turned.shape[1])
    grid = _grid(turned)
    np.bitwise_xor.reduce(grid[:rows], axis=0, out=sums.plain)
    for row in range(rows):
        if row:
            sums.step()
        np.bitwise_xor(sums.weighed, grid[row], out=sums.weighed)
    return sums


def _q_sums(turned: Words, *, parity: bool) -> _Sums:
    sums = _Sums(ROWS, turned.shape[1])
    grid = _grid(turned)
    for column in range(COLUMNS):
        if column:
            sums.step()
        sums.add_rotated(grid[:, column], column % ROWS)
    if parity:
        for at in (_MATRIX, _MATRIX + ROWS):
            sums.step()
            sums.add(turned[at : at + ROWS])
    return sums


def p_q_ok(raw: Bytes2D, *, mode2: bool | Flags = False) -> tuple[Flags, Flags]:
    """(n,) P right, (n,) Q right for (n, 2352) raw sectors.

    `mode2` (for all, or per sector) takes the header as zero, as mode 2 form 1 has it.
    """
    raw = as_raw(raw)
    p_ok, q_ok = np.empty(len(raw), np.bool_), np.empty(len(raw), np.bool_)
    workspace = _workspace(len(raw))
    for at in range(0, len(raw), BATCH):
        part = slice(at, at + BATCH)
        zero = mode2 if isinstance(mode2, bool) else mode2[part]
        turned = _transpose(raw[part], zero, workspace)
        p_ok[part] = _p_sums(turned, ROWS).clean()
        q_ok[part] = _q_sums(turned, parity=True).clean()
    return p_ok, q_ok


def generate(raw: Bytes2D, *, mode2: bool = False) -> None:
    """Compute P and Q from bytes 12–2075 and store them, in place; `raw` contiguous (n, 2352)."""
    if not raw.flags.c_contiguous or raw.shape[1] != RAW:
        raise ValueError("parity is written in place: give a contiguous (n, 2352) array")
    workspace = _workspace(len(raw))
    for at in range(0, len(raw), BATCH):
        part = raw[at : at + BATCH]
        turned = _transpose(part, mode2, workspace)
        low = (P_PARITY - HEADER) // 2
        turned[low : low + COLUMNS], turned[low + COLUMNS : _MATRIX] = _solve(
            _p_sums(turned, ROWS - 2)
        )
        turned[_MATRIX : _MATRIX + ROWS], turned[_MATRIX + ROWS :] = _solve(
            _q_sums(turned, parity=False)
        )
        part.view(np.uint16)[:, P_PARITY // 2 :] = turned[low:].T


def _solve(sums: _Sums) -> tuple[Words, Words]:
    """The two parity symbols that bring both syndromes to zero.

    With s0 and s1 of the data up to here, the parity symbols x, y must meet x + y = s0 and
    α·x + y = α²·s1; so x = (s0 + α²·s1) / (α + 1).
    """
    sums.step()
    sums.step()
    both = np.bitwise_xor(sums.plain, sums.weighed)
    first: Words = np.take(DIVIDE_BY_3, both.view(np.uint8)).view(np.uint16)
    return first, np.bitwise_xor(first, sums.plain)


def parity_bytes() -> tuple[range, range]:
    """Byte ranges of P and of Q in a raw sector."""
    return range(P_PARITY, Q_PARITY), range(Q_PARITY, RAW)
