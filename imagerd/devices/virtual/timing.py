# SPDX-License-Identifier: Apache-2.0
"""How long the mechanism of a virtual drive takes: seeks, turns, sectors passing by.

A drive that turns as fast everywhere (CAV) has its full speed at the rim of the largest disc only.
"""

from __future__ import annotations

from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.faultbook import approach_of
from imagerd.devices.virtual.faults import Approach
from imagerd.devices.virtual.state import DriveState
from imagerd.disc.spiral import SPIRALS

_FASTEST_TURN = 0.005  # seconds: 12,000 turns a minute, more than which discs do not stand


def pass_by(drive: DriveState, disc: Disc, lba: int, count: int) -> float:
    """Seconds in which `count` sectors from `lba` on pass by the head."""
    return count * disc.size / (speed_at(drive, disc, lba) * 1000)


def speed_at(drive: DriveState, disc: Disc, lba: int) -> float:
    """kB/s at `lba`."""
    if not drive.profile.cav:
        return drive.speed
    spiral = SPIRALS[disc.layout.medium]
    return drive.speed * spiral.radius(lba) / spiral.outer


def turn(drive: DriveState, disc: Disc, lba: int) -> float:
    """Seconds until a sector comes by again."""
    sectors = SPIRALS[disc.layout.medium].sectors_per_turn(lba)
    return max(sectors * disc.size / (speed_at(drive, disc, lba) * 1000), _FASTEST_TURN)


def travel(drive: DriveState, disc: Disc, lba: int) -> float:
    """Seconds to get to `lba`: none to the next sector, a turn to the same or nearby, else a seek.

    A seek lasts by the distance between the radii, and then half a turn until the sector comes by.
    """
    seconds = drive.change_speed()
    if lba - drive.head == 1:
        return seconds
    if approach_of(drive.head, lba) is not Approach.SEEK:
        return seconds + turn(drive, disc, lba)
    spiral = SPIRALS[disc.layout.medium]
    distance = abs(spiral.radius(lba) - spiral.radius(drive.head))
    share = distance / (spiral.outer - spiral.inner)
    return seconds + drive.profile.seek * min(0.2 + 0.8 * share, 1.0) + turn(drive, disc, lba) / 2
