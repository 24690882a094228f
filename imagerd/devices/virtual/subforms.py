# SPDX-License-Identifier: Apache-2.0
"""The subchannel of READ CD in its three forms (MMC-6, 6.15.2.6), out of raw P–W."""

from __future__ import annotations

from typing import Final

import numpy as np

from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.source import Bytes2D
from imagerd.sectors.subchannel import q_of

RAW_SUB: Final = 1
FORMATTED_Q: Final = 2
R_TO_W: Final = 4

# Bytes of Q that are BCD in a position (ADR 1): track, index, both times.
_BCD: Final = (1, 2, 3, 4, 5, 7, 8, 9)


def sub_field(raw: Bytes2D, form: int, profile: DriveProfile) -> Bytes2D:
    """(n, 96) or, for Q, (n, 16) of raw interleaved (n, 96)."""
    if form == FORMATTED_Q:
        return _formatted(raw, profile)
    return raw & np.uint8(0x3F) if form == R_TO_W else raw


def _formatted(raw: Bytes2D, profile: DriveProfile) -> Bytes2D:
    """Twelve bytes of Q, three of zero, and P in bit 7 of the last."""
    q = q_of(raw)
    field = np.zeros((len(raw), 16), np.uint8)
    field[:, :12] = q
    if not profile.q_crc:
        field[:, 10:12] = 0
    if profile.q_binary:
        for at in _BCD:
            digits = q[:, at]
            plain = (digits >> 4) * 10 + (digits & 15)
            field[:, at] = np.where((q[:, 0] & 15 == 1) & (digits < 0xA0), plain, digits)
    field[:, 15] = raw[:, 0] & 0x80
    return field
