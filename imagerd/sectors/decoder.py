# SPDX-License-Identifier: Apache-2.0
"""Decoding of the product code of one sector: P and Q codewords mended in turn.

Each P or Q codeword has two parity symbols: it mends one symbol at an unknown place, or two at
known places (erasures). With more errors than that it may "mend" a sound symbol; so at first only
symbols are changed that a wrong codeword of the *other* code holds as well, and only when that
leads nowhere are all believed. Where nothing moves any more, the symbols in which wrong P and Q
codewords cross are taken for erased.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.galois import EXP, LOG, over, times
from imagerd.sectors.geometry import HEADER, RAW
from imagerd.sectors.parity import COLUMNS, ROWS

Symbols: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]
Table: TypeAlias = npt.NDArray[np.intp]

SIZE: Final = RAW - HEADER
_MATRIX: Final = ROWS * COLUMNS
_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True)
class _Code:
    """P or Q: for each codeword the places of its symbols in the 2340 bytes, the last one α^0."""

    places: Table  # (codewords, symbols)
    weights: Symbols  # (symbols,) α^(last - i)

    def syndromes(self, block: Symbols) -> tuple[Symbols, Symbols]:
        """Plain and weighed sum of every codeword."""
        symbols = block[self.places]
        weighed = _products()[self.weights, symbols]
        return np.bitwise_xor.reduce(symbols, axis=1), np.bitwise_xor.reduce(weighed, axis=1)

    def failing(self, block: Symbols) -> Mask:
        """(2340,): the symbols that lie in a codeword that is wrong."""
        plain, weighed = self.syndromes(block)
        hit = np.zeros(SIZE, np.bool_)
        hit[self.places[(plain | weighed) != 0]] = True
        return hit


class _Codes(NamedTuple):
    p: _Code
    q: _Code


class Way(NamedTuple):
    """One way to try: with Q first, and whether one code's word is enough."""

    q_first: bool
    bold: bool


WAYS: Final = (Way(False, False), Way(True, False), Way(False, True), Way(True, True))


@cache
def _products() -> Bytes2D:
    """(256, 256): the product of every two bytes."""
    table = np.array([[times(a, b) for b in range(256)] for a in range(256)], np.uint8)
    table.flags.writeable = False
    return table


def _code(words: Table) -> _Code:
    places = np.concatenate((2 * words, 2 * words + 1))
    last = words.shape[1] - 1
    return _Code(places, np.array([EXP[last - i] for i in range(last + 1)], np.uint8))


@cache
def _codes() -> _Codes:
    column, row = np.arange(COLUMNS)[:, None], np.arange(ROWS)[None, :]
    p_words = COLUMNS * row + column
    diagonal, step = np.arange(ROWS)[:, None], np.arange(COLUMNS)[None, :]
    q_data = (44 * step + 43 * diagonal) % _MATRIX
    q_words = np.concatenate((q_data, _MATRIX + diagonal, _MATRIX + ROWS + diagonal), axis=1)
    return _Codes(_code(p_words), _code(q_words))


class Decoder:
    """The 2340 bytes after the sync while they are being mended, in place.

    The first `fixed` bytes are known and never changed. `judge` says whether the EDC matches.
    """

    def __init__(self, block: Symbols, fixed: int, judge: Callable[[Symbols], bool]) -> None:
        self.block = block
        self._fixed = fixed
        self._judge = judge

    def clean(self) -> bool:
        """Whether all codewords are right."""
        return not any(s.any() for code in _codes() for s in code.syndromes(self.block))

    def run(self, way: Way, erased: Mask) -> bool:
        """Mend until the EDC is right (True) or nothing moves any more (False)."""
        if self._judge(self.block):
            return self._polish()
        erased = erased.copy()
        suspected = False
        for _ in range(_ROUNDS):
            if self._round(way, erased):
                suspected = False
                if self._judge(self.block):
                    return self._polish()
            elif suspected:
                return False
            else:
                erased = self._suspects()
                suspected = True
        return False

    def _round(self, way: Way, erased: Mask) -> bool:
        """Both codes once, stopping when the EDC is right; whether anything changed."""
        codes = _codes()
        changed = False
        for code, other in ((codes.q, codes.p), (codes.p, codes.q))[:: 1 if way.q_first else -1]:
            if self._mend(code, erased, self._believed(None if way.bold else other)):
                changed = True
                if self._judge(self.block):
                    break
        return changed

    def _mend(self, code: _Code, erased: Mask, believed: Mask) -> bool:
        """One pass over a code's codewords; whether anything changed. Clears flags it settles."""
        plain, weighed = code.syndromes(self.block)
        flagged = erased[code.places]
        changed = False
        for at in np.flatnonzero(plain | weighed | flagged.any(axis=1)).tolist():
            fixes = _solve(int(plain[at]), int(weighed[at]), np.flatnonzero(flagged[at]), code)
            if fixes is None:
                continue
            places = code.places[at]
            if any(value and not believed[places[i]] for i, value in fixes):
                continue
            for i, value in fixes:
                self.block[places[i]] ^= value
                changed |= value != 0
            changed |= bool(flagged[at].any())
            erased[places] = False
        return changed

    def _believed(self, other: _Code | None) -> Mask:
        """Symbols that may be changed; with `other`, only where that code fails as well."""
        if other is None:
            mask = np.ones(SIZE, np.bool_)
        else:
            mask = other.failing(self.block)
            if other is _codes().p:
                mask[2 * _MATRIX :] = True  # Q parity lies in no P codeword
        mask[: self._fixed] = False
        return mask

    def _suspects(self) -> Mask:
        """Symbols in which a failing P codeword crosses a failing Q codeword."""
        codes = _codes()
        return self._believed(codes.p) & codes.q.failing(self.block)

    def _polish(self) -> bool:
        """The EDC is right: mend parity as well, if all of it can be."""
        before = self.block.copy()
        none = np.zeros(SIZE, np.bool_)
        for _ in range(2):
            for code in _codes():
                self._mend(code, none, self._believed(None))
        if not (self.clean() and self._judge(self.block)):
            self.block[:] = before
        return True


def erasable(erased: Mask) -> bool:
    """Whether a sector whose wrong bytes are just these, (2352,) or less, can be mended.

    Codewords with two or less are mended, which helps those that they cross, and so on.
    """
    left = np.zeros(SIZE, np.bool_)
    left[:] = erased[HEADER:]
    count = -1
    while count != (count := int(left.sum())):
        if not count:
            return True
        for code in _codes():
            solved = left[code.places].sum(axis=1) <= 2
            left[code.places[solved]] = False
    return False


def _solve(
    plain: int, weighed: int, erased: npt.NDArray[np.intp], code: _Code
) -> list[tuple[int, int]] | None:
    """What to XOR into which symbols of one codeword to make it right; None if it cannot be."""
    last = len(code.weights) - 1
    if len(erased) > 2:
        return None
    if plain == 0 and weighed == 0:
        return []
    if len(erased) == 0:
        if plain == 0 or weighed == 0:
            return None
        place = last - (LOG[weighed] - LOG[plain]) % 255
        return [(place, plain)] if place >= 0 else None
    first = int(erased[0])
    a = int(code.weights[first])
    if len(erased) == 1:
        return [(first, plain)] if times(a, plain) == weighed else None
    second = int(erased[1])
    b = int(code.weights[second])
    x = over(weighed ^ times(b, plain), a ^ b)
    return [(first, x), (second, plain ^ x)]
