# SPDX-License-Identifier: Apache-2.0
"""Between the forms in which a CD sector is stored and its 2352 raw bytes.

Making raw of a shorter form *generates* what is missing (sync, header, subheader, EDC, parity):
right by construction, and no evidence of what the disc holds.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.sectors import parity
from imagerd.sectors.edc import FORM1_RANGE, FORM2_RANGE, MODE1_RANGE, write_edc
from imagerd.sectors.geometry import (
    BODY,
    FORM2_BIT,
    FORM2_USER,
    HEADER,
    MODE,
    RAW,
    SUB,
    SUBHEADER,
    SUBMODE,
    SYNC_ROW,
    USER,
    XA_DATA,
    lba_msf,
)

MODE_BYTE: Final = {TrackMode.MODE0: 0, TrackMode.MODE1: 1, TrackMode.MODE2: 2}
_FORM1: Final = bytes((0, 0, 8, 0)) * 2  # submode 8: data
_FORM2: Final = bytes((0, 0, FORM2_BIT, 0)) * 2


def user_offset(mode: TrackMode) -> int:
    """Where the user data of a sector of this mode begins (form 1 in mode 2)."""
    return XA_DATA if mode is TrackMode.MODE2 else BODY


def user_data(raw: Bytes2D, mode: TrackMode, out: Bytes2D | None = None) -> Bytes2D:
    """(n, 2048) user data of raw sectors of one mode, as a copy: one strided pass.

    `out`, if given, receives it: a buffer used again and again is twice as fast as new memory. Of
    a mode 2 form 2 sector these are the first 2048 of its 2324 bytes; nothing is checked here.
    """
    start = user_offset(mode)
    if out is None:
        out = np.empty((len(raw), USER), np.uint8)
    np.copyto(out, raw[:, start : start + USER])
    return out


def _check(data: Bytes2D, stored: SectorFormat) -> None:
    if data.ndim != 2 or data.shape[1] != stored.size:
        raise ValueError(f"{stored.name} sectors are (n, {stored.size}), not {data.shape}")


def to_raw(data: Bytes2D, stored: SectorFormat, mode: TrackMode, lba: int) -> Bytes2D:
    """(n, 2352) raw sectors from `data`, (n, stored.size), which begin at `lba`.

    RAW comes back as it is (not copied). Short mode 2 forms become form 2 where their subheader
    says so, form 1 otherwise; a missing subheader is made plain ("data", or form 2). Raises
    `ValueError` for what has no raw form: audio shorter than 2352 bytes, blocks of a DVD.
    """
    _check(data, stored)
    if stored is SectorFormat.RAW:
        return data
    if stored is SectorFormat.RAW_SUB:
        return np.ascontiguousarray(data[:, :RAW])
    if mode not in MODE_BYTE:
        raise ValueError(f"{mode} sectors stored as {stored.name} have no raw form")
    raw = np.zeros((len(data), RAW), np.uint8)
    _frame(raw, mode, lba)
    if stored is SectorFormat.MODE2:
        raw[:, BODY:] = data
    elif stored in (SectorFormat.USER, SectorFormat.USER_SUB):
        _from_user(raw, data[:, :USER], mode)
    elif stored is SectorFormat.XA_USER:
        _from_xa(raw, data)
    else:
        raw[:, SUBHEADER:XA_DATA] = np.frombuffer(_FORM2, np.uint8)
        raw[:, XA_DATA : XA_DATA + FORM2_USER] = data
        write_edc(raw, FORM2_RANGE)
    return raw


def _frame(raw: Bytes2D, mode: TrackMode, lba: int) -> None:
    raw[:, :HEADER] = SYNC_ROW
    raw[:, HEADER:MODE] = lba_msf(lba, len(raw))
    raw[:, MODE] = MODE_BYTE[mode]


def _from_user(raw: Bytes2D, data: Bytes2D, mode: TrackMode) -> None:
    if mode is TrackMode.MODE0:
        return  # 2336 zeros by definition
    start = user_offset(mode)
    raw[:, start : start + USER] = data
    if mode is TrackMode.MODE1:
        write_edc(raw, MODE1_RANGE)
    else:
        raw[:, SUBHEADER:XA_DATA] = np.frombuffer(_FORM1, np.uint8)
        write_edc(raw, FORM1_RANGE)
    parity.generate(raw, mode2=mode is TrackMode.MODE2)


def _from_xa(raw: Bytes2D, data: Bytes2D) -> None:
    """Subheader and 2324 bytes: form 1 keeps the first 2048 of them and gets EDC and parity."""
    raw[:, SUBHEADER : XA_DATA + FORM2_USER] = data
    form2 = raw[:, SUBMODE] & FORM2_BIT != 0
    for rows, covered in ((form2, FORM2_RANGE), (~form2, FORM1_RANGE)):
        if rows.any():
            part = np.ascontiguousarray(raw[rows])
            write_edc(part, covered)
            if covered is FORM1_RANGE:
                parity.generate(part, mode2=True)
            raw[rows] = part


def from_raw(
    raw: Bytes2D, stored: SectorFormat, mode: TrackMode, sub: Bytes2D | None = None
) -> Bytes2D:
    """(n, stored.size) of raw sectors of one mode: the inverse of `to_raw`, dropping the rest.

    The formats with subchannel need `sub`, (n, 96) raw; `ValueError` without, and for formats
    that the mode does not have. Whether anything of value is dropped is the caller's question.
    """
    _check(raw, SectorFormat.RAW)
    if stored is SectorFormat.RAW:
        return raw
    if stored in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB):
        if sub is None or sub.shape != (len(raw), SUB):
            raise ValueError(f"{stored.name} needs {SUB} bytes of subchannel for each sector")
        body = raw if stored is SectorFormat.RAW_SUB else user_data(raw, mode)
        return np.concatenate((body, sub), axis=1)
    if mode is TrackMode.AUDIO:
        raise ValueError(f"audio cannot be stored as {stored.name}")
    if stored is SectorFormat.USER:
        return user_data(raw, mode)
    first = stored_offset(stored, mode)
    return np.ascontiguousarray(raw[:, first : first + stored.size])


def stored_offset(stored: SectorFormat, mode: TrackMode) -> int:
    """Which of the 2352 bytes is the first that is stored."""
    if stored in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        return 0
    if stored in (SectorFormat.MODE2, SectorFormat.XA_USER):
        return BODY
    return XA_DATA if stored is SectorFormat.FORM2 else user_offset(mode)
