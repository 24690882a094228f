# SPDX-License-Identifier: Apache-2.0
"""User data of raw sectors: each EDC checked, parity asked only where one fails."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.formats.rawform import Runs
from imagerd.sectors.convert import user_data, user_offset
from imagerd.sectors.geometry import FORM2_USER, USER, XA_DATA
from imagerd.sectors.verify import EdcState, Kinds, SectorKind, classify, edc_check

_OFFSETS = {
    SectorKind.MODE1: user_offset(TrackMode.MODE1),
    SectorKind.MODE2_FORM1: user_offset(TrackMode.MODE2),
}


@dataclass(slots=True)
class UserData:
    """Takes blocks of raw sectors of one track; remembers what was wrong with them.

    `spared` are LBAs that are left as they are: bad on purpose.
    """

    mode: TrackMode
    check: bool = True
    repair: bool = False
    cut_form2: bool = False
    wrong: Runs = field(default_factory=Runs)
    repaired: Runs = field(default_factory=Runs)
    cut: int = 0
    spared: Container[int] = frozenset()

    def of(self, raw: Bytes2D, lba: int, unread: Bytes2D | None = None) -> Bytes2D:
        """(n, 2048), a copy, of the raw sectors from `lba`; rows marked in `unread` are let be.

        Raises `BadInput` for form 2 and formless mode 2 sectors with data in them, which 2048
        bytes cannot hold.
        """
        kind = classify(raw, data=True)
        if unread is not None:
            kind[unread.astype(np.bool_)] = SectorKind.AUDIO
        if (kind == SectorKind.MODE1).all():
            user = user_data(raw, TrackMode.MODE1)
        else:
            user = self._mixed(raw, kind, lba)
        if self.check:
            self._check(raw, kind, lba, user)
        return user

    def _mixed(self, raw: Bytes2D, kind: Kinds, lba: int) -> Bytes2D:
        user = user_data(raw, self.mode)  # the best guess for sectors that are none
        for which, offset in _OFFSETS.items():
            rows = kind == which
            if rows.any():
                user[rows] = raw[rows, offset : offset + USER]
        user[kind == SectorKind.MODE0] = 0
        for row in np.flatnonzero((kind == SectorKind.MODE2_FORM2) | (kind == SectorKind.MODE2)):
            self._too_long(raw[row], SectorKind(int(kind[row])), lba + int(row))
            user[row] = raw[row, XA_DATA : XA_DATA + USER]
        return user

    def _too_long(self, sector: Bytes2D, kind: SectorKind, lba: int) -> None:
        """A sector with more than 2048 bytes: an empty one loses nothing."""
        if not sector[XA_DATA : XA_DATA + FORM2_USER].any():
            return
        if not self.cut_form2:
            form = "form 2" if kind is SectorKind.MODE2_FORM2 else "without a form"
            raise BadInput(
                f"The sector at LBA {lba} is mode 2 {form}, whose data an .iso would cut; write"
                " .cue, or ask for cutting."
            )
        self.cut += 1

    def _check(self, raw: Bytes2D, kind: Kinds, lba: int, user: Bytes2D) -> None:
        edc = edc_check(raw, kind)
        suspect = (edc == EdcState.WRONG) | (kind >= SectorKind.INVALID_MODE)
        for row in np.flatnonzero(suspect):
            if self.repair and self._mend(raw[row], lba + int(row), user[row]):
                self.repaired.add(lba + int(row))
            else:
                self.wrong.add(lba + int(row))

    def _mend(self, sector: Bytes2D, lba: int, user: Bytes2D) -> bool:
        if lba in self.spared:
            return False
        from imagerd.sectors.correct import correct  # rarely needed, and not cheap to load

        mended = correct(sector, lba=lba, mode2=self.mode is TrackMode.MODE2)
        if mended is None:
            return False
        offset = user_offset(self.mode)
        user[:] = np.frombuffer(mended.data, np.uint8)[offset : offset + USER]
        return True
