# SPDX-License-Identifier: Apache-2.0
"""The subchannels P to W, and what Q says (ECMA-130, clause 22; MMC-6, 4.2.3).

Raw (interleaved), as drives give it: 96 bytes, byte i holding bit i of each channel, P in bit 7 to
W in bit 0. De-interleaved, as .sub files of CloneCD hold it: 12 bytes each of P, Q, … W.

Q is 12 bytes: CONTROL and ADR, nine of data, and the inverted CRC-16 (polynomial 0x1021, initial
value 0, big-endian) of those ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from fastcrc import crc16

from imagerd.base.digests import Buffer
from imagerd.disc.layout import Control
from imagerd.disc.msf import Msf, from_bcd, to_bcd
from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import SUB, Flags

Q: Final = 12
LEAD_OUT: Final = 0xAA  # the "track number" of the lead-out
_Q_BIT: Final = 6


@dataclass(frozen=True, slots=True)
class QPosition:
    """ADR 1 of the program area and the lead-out: where this sector is.

    `track` is 1–99 or `LEAD_OUT`; `relative` counts down to 00:00:00 in a pause (index 0).
    """

    control: Control
    track: int
    index: int
    relative: Msf
    absolute: Msf

    @property
    def lba(self) -> int:
        """The absolute address as an LBA of the program area."""
        return self.absolute.program_lba


@dataclass(frozen=True, slots=True)
class QLeadIn:
    """An entry of the TOC in the lead-in (ADR 1, 5): POINT and what it points to.

    `point` is the raw byte (BCD 01–99, A0, A1, A2, B0, …), `time` the running time and `pointer`
    PMIN, PSEC, PFRAME: raw bytes each, as their meaning depends on the point.
    """

    control: Control
    adr: int
    point: int
    time: bytes
    pointer: bytes


@dataclass(frozen=True, slots=True)
class QMcn:
    """ADR 2: the disc's media catalogue number, 13 digits; `frame` is the FRAME of the address."""

    control: Control
    mcn: str
    frame: int


@dataclass(frozen=True, slots=True)
class QIsrc:
    """ADR 3: the track's ISRC, 12 characters; `frame` is the FRAME of the address."""

    control: Control
    isrc: str
    frame: int


@dataclass(frozen=True, slots=True)
class QOther:
    """Another ADR, or fields that are not what their ADR says."""

    control: Control
    adr: int
    data: bytes


QEntry: TypeAlias = QPosition | QLeadIn | QMcn | QIsrc | QOther


def _as_sub(sub: Bytes2D) -> Bytes2D:
    if sub.ndim != 2 or sub.shape[1] != SUB:
        raise ValueError(f"subchannel has the shape (n, {SUB}), not {sub.shape}")
    return sub


def deinterleave(sub: Bytes2D) -> Bytes2D:
    """(n, 96) raw P–W as 12 bytes of P, 12 of Q, … 12 of W."""
    bits = np.unpackbits(_as_sub(sub), axis=1).reshape(-1, SUB, 8)
    return np.packbits(bits.transpose(0, 2, 1).reshape(-1, SUB * 8), axis=1)


def interleave(channels: Bytes2D) -> Bytes2D:
    """(n, 96) of 12 bytes for each channel as raw P–W; the inverse of `deinterleave`."""
    bits = np.unpackbits(_as_sub(channels), axis=1).reshape(-1, 8, SUB)
    return np.packbits(bits.transpose(0, 2, 1).reshape(-1, SUB * 8), axis=1)


def q_of(sub: Bytes2D) -> Bytes2D:
    """(n, 12): Q of (n, 96) raw subchannel."""
    return np.packbits(_as_sub(sub) & (1 << _Q_BIT), axis=1)


def p_of(sub: Bytes2D) -> Bytes2D:
    """(n, 12): P of (n, 96) raw subchannel; all ones in a pause."""
    return np.packbits(_as_sub(sub) & 0x80, axis=1)


def with_p_q(p: Flags, q: Bytes2D) -> Bytes2D:
    """(n, 96) raw subchannel of a P flag and the 12 bytes of Q for each sector; R–W zero."""
    sub = np.unpackbits(q, axis=1)
    np.left_shift(sub, _Q_BIT, out=sub)
    if p.any():
        sub[p] |= 0x80
    return sub


def q_crc(data: Buffer) -> bytes:
    """The two bytes behind the ten of `data`."""
    return crc16.gsm(data).to_bytes(2, "big")


def _crcs(q: Bytes2D) -> Bytes2D:
    """(n, 2): what the CRC of each row of ten or twelve bytes should be."""
    flat = np.ascontiguousarray(q).reshape(-1).data
    found = [crc16.gsm(flat[at : at + 10]) for at in range(0, q.size, q.shape[1])]
    return np.array(found, ">u2").view(np.uint8).reshape(-1, 2)


def q_crc_ok(q: Bytes2D) -> Flags:
    """(n,): whether the CRC of each (n, 12) Q is right. Zeros are not: the CRC is inverted."""
    if q.ndim != 2 or q.shape[1] != Q:
        raise ValueError(f"Q has the shape (n, {Q}), not {q.shape}")
    right: Flags = np.all(_crcs(q) == q[:, 10:], axis=1)
    return right


def seal(q: Bytes2D) -> None:
    """Store the CRC of each row of (n, 12) in it, in place."""
    q[:, 10:] = _crcs(q)


def parse_q(q: bytes) -> QEntry:
    """What 12 (or 10) bytes of Q say. The CRC is not looked at: ask `q_crc_ok` before.

    Fields that are no BCD give a `QOther`, never an error.
    """
    control, adr = Control(q[0] >> 4), q[0] & 15
    try:
        if adr in (1, 5) and q[1] == 0:
            return QLeadIn(control, adr, q[2], bytes(q[3:6]), bytes(q[7:10]))
        if adr == 1:
            track = LEAD_OUT if q[1] == LEAD_OUT else from_bcd(q[1])
            relative, absolute = Msf.from_bcd(q[3:6]), Msf.from_bcd(q[7:10])
            return QPosition(control, track, from_bcd(q[2]), relative, absolute)
        if adr == 2:
            return QMcn(control, _mcn(q), from_bcd(q[9]))
        if adr == 3:
            return QIsrc(control, _isrc(q), from_bcd(q[9]))
    except ValueError:
        pass
    return QOther(control, adr, bytes(q[1:10]))


def _mcn(q: bytes) -> str:
    digits = bytes(q[1:8]).hex()[:13]
    if not digits.isdecimal():
        raise ValueError("not BCD")
    return digits


def _isrc(q: bytes) -> str:
    head = int.from_bytes(q[1:5], "big") >> 2
    text = "".join(chr((head >> shift & 63) + 0x30) for shift in (24, 18, 12, 6, 0))
    digits = bytes(q[5:9]).hex()[:7]
    if not digits.isdecimal() or not text.isalnum():
        raise ValueError("not an ISRC")
    return text + digits


def build_q_position(position: QPosition) -> bytes:
    """12 bytes of Q, CRC included, for ADR 1."""
    track = position.track if position.track == LEAD_OUT else to_bcd(position.track)
    head = bytes((position.control << 4 | 1, track, to_bcd(position.index)))
    return _sealed(head + position.relative.to_bcd() + b"\0" + position.absolute.to_bcd())


def build_q_lead_in(entry: QLeadIn) -> bytes:
    """12 bytes of Q, CRC included, for an entry of the TOC."""
    head = bytes((entry.control << 4 | entry.adr, 0, entry.point))
    return _sealed(head + entry.time + b"\0" + entry.pointer)


def build_q_mcn(entry: QMcn) -> bytes:
    """12 bytes of Q, CRC included, for ADR 2. Raises `ValueError` for other than 13 digits."""
    if len(entry.mcn) != 13 or not (entry.mcn.isascii() and entry.mcn.isdigit()):
        raise ValueError(f"a media catalogue number has 13 digits: {entry.mcn!r}")
    digits = bytes.fromhex(entry.mcn + "000")
    return _sealed(bytes((entry.control << 4 | 2,)) + digits + bytes((to_bcd(entry.frame),)))


def build_q_isrc(entry: QIsrc) -> bytes:
    """12 bytes of Q, CRC included, for ADR 3. Raises `ValueError` for what is no ISRC."""
    head, digits = entry.isrc[:5], entry.isrc[5:]
    known = entry.isrc.isascii() and head.isalnum() and head.upper() == head
    if len(head) != 5 or len(digits) != 7 or not digits.isdigit() or not known:
        raise ValueError(f"an ISRC has five letters or digits and seven digits: {entry.isrc!r}")
    bits = 0
    for character in head:
        bits = bits << 6 | ord(character) - 0x30
    coded = (bits << 2).to_bytes(4, "big") + bytes.fromhex(digits + "0")
    return _sealed(bytes((entry.control << 4 | 3,)) + coded + bytes((to_bcd(entry.frame),)))


def _sealed(data: bytes) -> bytes:
    return data + q_crc(data)
