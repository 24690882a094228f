# SPDX-License-Identifier: Apache-2.0
"""The description in a .mdx, or in a .mds of version 2 (DAEMON Tools): where it lies, and opened.

It is deflated and then enciphered with a key that lies in the file itself, under a password that
follows from what lies beside it: a disguise, which keeps nobody out. After what libMirage's reader
expects. Little-endian::

    0   16  "MEDIA DESCRIPTOR"      44  4  where the key is; FFFFFFFF in a .mdx, which has then
    16   1  2, and 1 a minor number 48  8  where the description begins
    18  26  whose format it is      56  8  how long it is, with 64 bytes of the key

In a .mds the description begins at 48 and ends where the key begins. That has 512 bytes: 64 of salt
and, enciphered, CRC-32 of the keys, "EURT", 1, 256, 0; 256 bytes of keys; how long the description
is, deflated, and how long then (see TrueCrypt's header of a volume, which it follows).
"""

from __future__ import annotations

import hashlib
import struct
import zlib

import numpy as np

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.formats.datafile import DataFile
from imagerd.formats.mds.aes import BLOCK, decipher
from imagerd.sectors.edc import edc

PREFIX = 18  # bytes of the file that the offsets in a description count in
_HEAD, _KEY, _SALT, _CHAIN = 48, 512, 64, 32
_IN_MDX = 0xFFFF_FFFF
_PIECE = 512  # bytes that are chained together
_TURNS = 2000
_MAGIC = b"EURT"
_LARGEST = 16 << 20
_FACTOR, _SUMMAND, _SEED, _MASK = 0x35E85A6D, 0x1548DCE9, 0x567372FF, 0xEC564717


def read_descriptor(file: DataFile) -> tuple[bytes, int | None]:
    """The description, `PREFIX` bytes of the file before it; of a .mdx, where its data end.

    Raises `BadInput` (no file name in it) for what cannot be read, `NotAvailable` where OpenSSL
    lacks what is needed.
    """
    head = file.peek(0, _HEAD + 16)
    if len(head) < _HEAD + 16:
        raise BadInput("it ends within its header")
    key, start, length = struct.unpack_from("<IQQ", head, 44)
    end = None
    if key == _IN_MDX:
        end = start
        key, length = start + length - _SALT, length - _SALT
    else:
        start, length = _HEAD, key - _HEAD
    if not 0 < length <= _LARGEST or length % BLOCK or key + _KEY > file.size:
        raise BadInput("its description lies where there is nothing")
    keys, packed, size = _keys(file.peek(key, _KEY))
    if not packed <= length or size > _LARGEST:
        raise BadInput("its description is damaged")
    data = file.peek(start, length)
    plain = b"".join(_unchained(keys, data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))
    return head[:PREFIX] + _inflated(plain[:packed], size), end


def _inflated(data: bytes, size: int) -> bytes:
    try:
        content = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise BadInput("its description is damaged") from error
    if len(content) != size:
        raise BadInput("its description is damaged")
    return content


def _keys(block: bytes) -> tuple[bytes, int, int]:
    """The keys of the description, its deflated and its whole length."""
    salt = block[:_SALT]
    try:
        derived = hashlib.pbkdf2_hmac("ripemd160", password(salt), salt, _TURNS, _CHAIN + 32)
    except ValueError as error:
        raise NotAvailable(
            "The OpenSSL of this Python has no RIPEMD-160, which an .mdx needs; enable its legacy"
            " provider."
        ) from error
    plain = _unchained(derived, block[_SALT:])
    check, magic, _, count, _ = struct.unpack_from("<I4sHHI", plain)
    keys = plain[16 : 16 + 256]
    if magic != _MAGIC or count != len(keys) or check != zlib.crc32(keys):
        raise BadInput("its description cannot be deciphered: it is damaged, or of a newer kind")
    packed, size = struct.unpack_from("<II", plain, 16 + 256)
    return keys, packed, size


def password(salt: bytes) -> bytes:
    """What the key is under; it follows from the 64 bytes `salt`, and has no zeros in it."""
    words = []
    turning = edc(salt) ^ _SEED
    for (word,) in struct.iter_unpack("<I", salt):
        turning = (turning * _FACTOR + _SUMMAND) & 0xFFFF_FFFF
        words.append(word ^ turning ^ _MASK)
    return struct.pack(f"<{len(words)}I", *words).replace(b"\0", b"\x5f")


def _unchained(keys: bytes, data: bytes) -> bytes:
    """Deciphered: by AES in CBC, whose blocks were whitened with the second half of the vector."""
    vector = np.frombuffer(keys[:BLOCK], np.uint8)
    white = np.concatenate((vector[8:], vector[8:]))
    blocks = np.frombuffer(data, np.uint8).reshape(-1, BLOCK) ^ white
    plain = decipher(keys[_CHAIN : _CHAIN + 32], blocks)
    plain ^= np.vstack((vector, blocks[:-1]))
    return plain.tobytes()
