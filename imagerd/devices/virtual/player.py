# SPDX-License-Identifier: Apache-2.0
"""The audio output of a drive, connected to nothing: where a play has come to, by the clock."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from imagerd.devices.virtual.clock import Clock

PACE: Final = 75  # sectors a second
SCAN_PACE: Final = 8 * PACE
_EXACT: Final = 1e-6  # sectors: what is lost in sums of seconds


class AudioStatus(IntEnum):
    """What READ SUB-CHANNEL says of a play (MMC-6, 6.24)."""

    PLAYING = 0x11
    PAUSED = 0x12
    COMPLETED = 0x13
    FAILED = 0x14
    NONE = 0x15


class Player:
    """One play at most. It is `engaged` from its beginning until something else moves the head."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._status = AudioStatus.NONE
        self._from = 0
        self._since = 0.0
        self._area = range(0)
        self._pace = PACE
        self._fails = False
        self.engaged = False

    def play(
        self, lba: int, area: range, *, after: float = 0.0, pace: int = PACE, fails: bool = False
    ) -> None:
        """Play from `lba` to the end of `area`, or backward to its begin if `pace` is negative.

        The first sector comes `after` some seconds. `fails`: at the end there is no audio.
        """
        self._from, self._area, self._pace, self._fails = lba, area, pace, fails
        self._since = self._clock.now + after
        self._status = AudioStatus.PLAYING
        self.engaged = True

    def stop(self) -> None:
        """Play no more; there is nothing to resume or to report then."""
        self._status = AudioStatus.NONE
        self.engaged = False

    def pause(self) -> bool:
        """Stand still; False if there is nothing to pause."""
        if self.status is AudioStatus.PLAYING:
            self._from, self._status = self.position, AudioStatus.PAUSED
        return self._status is AudioStatus.PAUSED

    def resume(self) -> bool:
        """Go on forward at the pace of music; False if there is nothing to resume."""
        if self.status is AudioStatus.PAUSED:
            self.play(self._from, self._area, fails=self._fails)
        return self._status is AudioStatus.PLAYING

    @property
    def scanning(self) -> bool:
        """Whether it plays faster than music, or backward."""
        return self.status is AudioStatus.PLAYING and self._pace != PACE

    @property
    def position(self) -> int:
        """The sector that is being played, or was the last one."""
        if self._status is not AudioStatus.PLAYING:
            return self._from
        seconds = max(self._clock.now - self._since, 0.0)
        moved = int(seconds * abs(self._pace) + _EXACT)
        if self._pace < 0:
            return max(self._from - moved, self._area.start)
        return min(self._from + moved, self._area.stop - 1)

    @property
    def status(self) -> AudioStatus:
        """What is going on now."""
        if self._status is AudioStatus.PLAYING and self._clock.now >= self._ends_at():
            self._from = self._area.start if self._pace < 0 else self._area.stop - 1
            self._status = AudioStatus.FAILED if self._fails else AudioStatus.COMPLETED
        return self._status

    def report(self) -> AudioStatus:
        """The status for a host: that a play has ended is told once."""
        status = self.status
        if status in (AudioStatus.COMPLETED, AudioStatus.FAILED):
            self._status = AudioStatus.NONE
        return status

    def _ends_at(self) -> float:
        left = self._from - self._area.start if self._pace < 0 else self._area.stop - self._from
        return self._since + (left - _EXACT) / abs(self._pace)
