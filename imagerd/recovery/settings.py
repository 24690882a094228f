# SPDX-License-Identifier: Apache-2.0
"""How the drive is set for the next command: its speed, its error recovery, its cache."""

from __future__ import annotations

from imagerd.devices.reading import ReadRequest
from imagerd.disc.source import SectorState
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.judge import Judge
from imagerd.recovery.reader import Approach, Reader
from imagerd.recovery.scrambled import Shift, find_syncs
from imagerd.recovery.sectormap import GOOD
from imagerd.recovery.workspace import Workspace
from imagerd.recovery.writeoffset import note_sync, told_by

_BRIEFLY = 1  # retries of the drive's own, while there is much else to read
_SPOTS = 4  # good sectors on which the shift of data read as audio is looked for


class Settings:
    """Asks the drive for what an approach needs, and only when it has changed."""

    def __init__(
        self, reader: Reader, workspace: Workspace, geometry: Geometry, judge: Judge
    ) -> None:
        self._reader, self._work, self._geometry, self._judge = reader, workspace, geometry, judge
        self._speed = 0
        self._recovery: tuple[bool, bool] = (False, False)
        self._obeys = True
        self.shift: Shift | None = None  # of data read as audio
        self._shift_sought = self._corrects_always = False
        self.raw: Approach | None = None  # how it gives data uncorrected, once that is known
        self.cache_is_stubborn = False  # it answers although it was told to forget

    def prepare(self, lba: int, approach: Approach) -> None:
        """Set the drive for `approach` to `lba`."""
        if approach.times != self._speed:
            self._speed = approach.times
            self._apply_speed()
        wanted = (approach.uncorrected, approach.brief)
        if wanted != self._recovery and self._obeys:
            self._recovery = wanted
            self._apply_recovery()
        if approach.flush:
            self._forget(lba)

    def repeat(self) -> None:
        """All of it again: the drive was reset."""
        self._apply_speed()
        if self._recovery != (False, False):
            self._apply_recovery()

    def restore(self) -> None:
        """Leave the drive as whoever comes next expects it."""
        self.prepare(self._work.map.start, Approach())

    def ways_to_raw(self) -> Approach | None:
        """How this drive gives data sectors that it cannot correct; None if it does not.

        Data read as audio comes at once; else the drive's correction is disabled.
        """
        if self._work.layout.is_cd and self.raw is None:
            self.raw = self._seek_raw()
        return self.raw

    def _seek_raw(self) -> Approach | None:
        if not self._shift_sought:
            self._seek_shift()
        if self.shift is not None:
            return Approach(as_audio=True)
        if not self._work.job.features.c2 or self._corrects_always:
            return None
        self._obeys = self._reader.set_recovery(uncorrected=True)
        self._recovery = (True, False) if self._obeys else (False, False)
        self._corrects_always = not self._obeys
        return Approach(uncorrected=True) if self._obeys else None

    def _seek_shift(self) -> None:
        """By what is known of this drive, else by reading; what is found is for the report, too."""
        known = told_by(self._reader, self._work)
        if known is not None:
            self._shift_sought, self.shift = True, Shift.told(known)
            return
        spots = [
            run.start + len(run) // 2
            for run in self._work.map.ranges((SectorState.PROVEN,))
            if len(run) > 8 and self._judge.zone_at(run.start).data
        ]
        for lba in spots[:: max(len(spots) // _SPOTS, 1)][:_SPOTS]:
            self._shift_sought = True
            found = find_syncs(self._reader, lba)
            if found is not None:
                self.shift = Shift.told(note_sync(self._reader, self._work, found))
                return

    def _apply_speed(self) -> None:
        self._reader.set_speed(self._geometry.kb_s(self._speed) if self._speed else None)

    def _apply_recovery(self) -> None:
        uncorrected, brief = self._recovery
        retries = _BRIEFLY if brief else None
        self._obeys = self._reader.set_recovery(uncorrected=uncorrected, retries=retries)

    def _forget(self, lba: int) -> None:
        """Have the drive's cache forget `lba`: by command, or by reading something far away."""
        begin, end = self._work.map.start, self._work.map.end
        span = end - begin
        far = lba + span // 2 if lba - begin < span // 2 else lba - span // 2
        if not self.cache_is_stubborn:
            # Away from where we read: a seek, and nothing is read that was read before.
            self._reader.flush_cache(far)
            return
        run = self._work.map.find(GOOD, far, end) or self._work.map.find(GOOD, begin, far)
        if run is not None:
            is_cd = self._work.layout.is_cd
            self._reader.attempt(ReadRequest(run.start, 1, raw=is_cd))
