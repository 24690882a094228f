# SPDX-License-Identifier: Apache-2.0
"""Apple Data Compression, of early disk images.

A byte 1ccccccc begins c + 1 literal bytes; 01cccccc oooooooo oooooooo copies c + 4 bytes, and
00ccccoo oooooooo copies c + 3 bytes, from o + 1 bytes back.
"""

from __future__ import annotations


def from_adc(data: bytes, length: int) -> bytes | None:
    """`length` bytes; None where `data` do not give them."""
    out = bytearray()
    at = 0
    while at < len(data) and len(out) < length:
        byte = data[at]
        if byte & 0x80:
            count = (byte & 0x7F) + 1
            out += data[at + 1 : at + 1 + count]
            at += 1 + count
            continue
        if byte & 0x40:
            count, used = (byte & 0x3F) + 4, 3
            back = int.from_bytes(data[at + 1 : at + 3], "big") + 1
        else:
            count, used = (byte >> 2) + 3, 2
            back = int.from_bytes(bytes([byte & 3]) + data[at + 1 : at + 2], "big") + 1
        at += used
        if back > len(out) or at > len(data):
            return None
        for _ in range(count):
            out.append(out[-back])
    return bytes(out) if len(out) == length else None
