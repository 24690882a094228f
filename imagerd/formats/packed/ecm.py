# SPDX-License-Identifier: Apache-2.0
"""ECM, the error code modeler of Neill Corlett: raw sectors without what can be computed again.

::

    0  4  "ECM\\0"
    4     records: a header (2 bits of kind, count - 1 in 5, 7, 7, 7 … bits, low ones first, the
          uppermost bit of each byte saying that more follow), then count units; see ``ecm_coding``
          the end: kind 0 with a count - 1 of 0xFFFFFFFF
          4 bytes EDC of all content, little-endian

Kinds 2 and 3 make 2336 bytes; a variant in which they make 2352 exists under the same magic, and
shows itself by a wrong EDC. The EDC of the sectors is made again, so a damaged ECM file gives
sectors that *look* right: only the EDC of the whole speaks for them. It is computed while blocks
are unpacked; once all were and it is wrong, the last one and all unpacked later are lost.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.source import Bytes2D
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import BlockStore, Unpacked, all_lost
from imagerd.formats.packed.ecm_coding import (
    KEPT,
    LITERAL_16,
    MADE,
    decode,
    make_mode1,
    parse_header,
)
from imagerd.formats.packed.ecm_index import build
from imagerd.sectors.edc import edc
from imagerd.sectors.geometry import RAW

_Run = tuple[Bytes2D, Bytes2D]  # units as they are kept, and where in the content they belong


def open_store(file: DataFile) -> BlockStore:
    """The content of the ECM file `file`. Raises `BadInput` if not even a record of it is whole."""
    return BlockStore(_EcmBlocks(file))


class _EcmBlocks:
    workers = 1  # numpy on small rows: a second thread only waits for the interpreter

    def __init__(self, file: DataFile) -> None:
        self._file = file
        self._index = build(file)
        if not self._index.starts:
            reason = self._index.problem or "it holds nothing"
            raise BadInput(f"{file.path} is no ECM file that can be read: {reason}.")
        self.size = self._index.size
        self.files = file.store.files
        problem = self._index.problem
        self.notes: tuple[str, ...] = ()
        if problem:
            self.notes = (f"damaged or cut short: {problem}",)
        self.largest = max(len(self.span(number)) for number in range(len(self._index.starts)))
        self._sums: dict[int, int] = {}
        self._wrong = False

    @property
    def suspect(self) -> bool:
        """See `Blocks`."""
        return self._wrong or self._index.edc is None or self._file.store.suspect

    def number_at(self, offset: int) -> int:
        return bisect_right(self._index.starts, offset) - 1

    def span(self, number: int) -> range:
        starts = self._index.starts
        stop = starts[number + 1] if number + 1 < len(starts) else self.size
        return range(starts[number], stop)

    def unpack(self, number: int) -> Unpacked:
        length = len(self.span(number))
        places = self._index.places
        end = places[number + 1] if number + 1 < len(places) else self._index.end
        packed = self._file.peek(places[number], end - places[number])
        if len(packed) < end - places[number]:
            return all_lost(length)
        try:
            content = _unpack(packed, self._index.kinds[number], self._index.left[number], length)
        except ValueError:  # the file changed since its index was made
            return all_lost(length)
        return Unpacked(content.data, (), edc(content.data))

    def judge(self, number: int, unpacked: Unpacked) -> Unpacked:
        """See `Judging`: once the EDC of the whole is known to be wrong, no block is believed."""
        if self._wrong:
            return all_lost(len(unpacked.data))
        if self._index.edc is not None and number not in self._sums and unpacked.sum is not None:
            self._sums[number] = unpacked.sum
            if len(self._sums) == len(self._index.places):
                self._wrong = self._whole_edc() != self._index.edc
                if self._wrong:
                    return all_lost(len(unpacked.data))
        return unpacked

    def _whole_edc(self) -> int:
        """The EDC of all blocks from their own: it is linear, and appending zeros shifts it."""
        whole = 0
        for number in range(len(self._sums)):
            whole = edc(bytes(len(self.span(number))), whole) ^ self._sums[number]
        return whole

    def close(self) -> None:
        self._file.close()


def _unpack(packed: bytes, kind: int, left: int, length: int) -> Bytes2D:
    """`length` bytes of content, of which `left` units of `kind` come first."""
    content = np.empty(length, np.uint8)
    data = np.frombuffer(packed, np.uint8)
    runs: dict[int, list[_Run]] = {1: [], 2: [], 3: []}
    at = out = 0
    while True:
        alike = _alike(packed, at, (length - out) // RAW) if (kind, left) == (0, 16) and at else 0
        if alike:
            body = packed[at + 16]
            step = 18 + KEPT[body]
            records = data[at - 1 : at - 1 + alike * step].reshape(alike, step)
            sectors = content[out : out + alike * RAW].reshape(alike, RAW)
            sectors[:, :16] = records[:, 1:17]
            runs[body].append((records[:, 18:], sectors[:, 16:]))
            at += alike * step - 1
            out += alike * RAW
        else:
            count = min(left, (length - out) // MADE[kind])
            kept = data[at : at + count * KEPT[kind]].reshape(count, KEPT[kind])
            made = content[out : out + count * MADE[kind]].reshape(count, MADE[kind])
            if kind == 0:
                made[:] = kept
            else:
                runs[kind].append((kept, made))
            at += kept.size
            out += made.size
        if out == length:
            break
        kind, left, at = parse_header(packed, at)
        if not left or MADE[kind] > length - out:
            raise ValueError("a block ends within a unit")
    for kind, pairs in runs.items():
        if pairs:
            _make(kind, pairs)
    return content


def _alike(packed: bytes, at: int, most: int) -> int:
    """How many mode 2 sectors of one form, 16 bytes and a body each, begin before `at`."""
    if at + 16 >= len(packed) or packed[at + 16] not in (2, 3):
        return 0
    body = packed[at + 16]
    step = 18 + KEPT[body]
    most = min(most, (len(packed) - at + 1) // step)
    count = 0
    while count < most and packed[at - 1] == LITERAL_16 and packed[at + 16] == body:
        count += 1
        at += step
    return count


def _make(kind: int, pairs: list[_Run]) -> None:
    """All sectors of one kind at once; one run of mode 1 in its place."""
    if kind == 1 and len(pairs) == 1:
        make_mode1(*pairs[0])
        return
    parts = [kept for kept, _ in pairs]
    sectors = decode(kind, parts[0] if len(parts) == 1 else np.concatenate(parts))
    done = 0
    for _, made in pairs:
        made[:] = sectors[done : done + len(made)]
        done += len(made)
