# SPDX-License-Identifier: Apache-2.0
"""The mode pages that a host may change, as bytes (MMC-6, 7; page codes in hexadecimal)."""

from __future__ import annotations

from typing import Final

ERROR_RECOVERY: Final = 0x01
CD_PARAMETERS: Final = 0x0D
CD_AUDIO: Final = 0x0E
POWER: Final = 0x1A
CAPABILITIES: Final = 0x2A
ALL_PAGES: Final = 0x3F

TRANSFER_BLOCK: Final = 0x20
DISABLE_CORRECTION: Final = 0x01

# Default values, page code and length first.
_DEFAULTS: Final = {
    ERROR_RECOVERY: bytes((0x01, 0x0A, 0x00, 0x20)) + bytes(8),
    CD_PARAMETERS: bytes((0x0D, 0x06, 0, 0, 0, 60, 0, 75)),
    CD_AUDIO: bytes((0x0E, 0x0E, 0x04, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0)),
    POWER: bytes((0x1A, 0x0A)) + bytes(10),
}

# Which bits of them may be changed.
_CHANGEABLE: Final = {
    ERROR_RECOVERY: bytes((0x01, 0x0A, 0xFF, 0xFF)) + bytes(8),
    CD_PARAMETERS: bytes((0x0D, 0x06, 0, 0x0F, 0, 0, 0, 0)),
    CD_AUDIO: bytes((0x0E, 0x0E, 0x02, 0, 0, 0, 0, 0, 15, 255, 15, 255, 0, 0, 0, 0)),
    POWER: bytes((0x1A, 0x0A)) + bytes(10),
}


class ModePages:
    """The current values; made anew at power on."""

    def __init__(self) -> None:
        self._pages = {code: bytes(page) for code, page in _DEFAULTS.items()}

    @staticmethod
    def codes() -> tuple[int, ...]:
        """The pages held here (all but the capabilities, which are computed)."""
        return tuple(_DEFAULTS)

    def page(self, code: int, control: int) -> bytes:
        """A page; `control`: 0 current values, 1 changeable bits, 2 defaults."""
        return (self._pages, _CHANGEABLE, _DEFAULTS)[control][code]

    def change(self, page: bytes) -> bool:
        """Take a whole page from MODE SELECT; False if it changes what cannot be changed."""
        code = page[0] & 0x3F
        current, mask = self._pages[code], _CHANGEABLE[code]
        if len(page) != len(current) or page[1] != current[1]:
            return False
        pairs = zip(page[2:], current[2:], mask[2:], strict=True)
        if any((new ^ old) & ~free & 0xFF for new, old, free in pairs):
            return False
        self._pages[code] = bytes((code,)) + bytes(page[1:])
        return True

    @property
    def stops_on_track_crossing(self) -> bool:
        """SOTC: an audio play ends with its track."""
        return bool(self._pages[CD_AUDIO][2] & 0x02)

    @property
    def recovery(self) -> int:
        """Byte 2 of the error recovery page: TB, DCR and the rest."""
        return self._pages[ERROR_RECOVERY][2]

    @property
    def retries(self) -> int:
        """Byte 3 of the error recovery page: how often a sector is tried again."""
        return self._pages[ERROR_RECOVERY][3]
