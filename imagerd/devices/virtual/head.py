# SPDX-License-Identifier: Apache-2.0
"""The optical head and the buffer: which sectors of a command come, how wrong, how late."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.answers import UNREADABLE
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.faultbook import Damage, Outcome, approach_of
from imagerd.devices.virtual.modepages import DISABLE_CORRECTION, TRANSFER_BLOCK
from imagerd.devices.virtual.state import DriveState, Loaded
from imagerd.devices.virtual.timing import pass_by, speed_at, travel, turn
from imagerd.devices.virtual.wear import Manner
from imagerd.disc.source import Bytes2D

_LOST = Outcome(sense=UNREADABLE)
_FINE = Outcome()
_NEVER = float("inf")


class Want(Enum):
    """What a command wants of a sector, which decides what the drive corrects on the way."""

    USER = "user"  # corrected user data, or an error
    RAW = "raw"  # all 2352 bytes, corrected as far as they are data
    STREAM = "stream"  # as the disc has them, C2 errors and all


@dataclass(slots=True)
class Fetched:
    """`count` sectors from `lba` on are delivered; if `sense` is set, it is for sector `bad`.

    That is the one after them, or the last of them where a bad block is transferred as well (TB).
    `damage`: what came wrong, by LBA. `seconds` for all of it, infinite if the drive hangs for
    good.
    """

    lba: int
    count: int
    seconds: float
    sense: Sense | None = None
    bad: int = 0
    damage: dict[int, Damage] = field(default_factory=dict)


def fetch(
    drive: DriveState, loaded: Loaded, lba: int, count: int, *, want: Want, fua: bool
) -> Fetched:
    """Read `count` sectors, all readable addresses.

    What the buffer holds comes from there, unless `fua`. Moves the head, counts the attempts.
    """
    buffer = loaded.buffer
    if drive.player.engaged:
        drive.halt()
    fua = fua and drive.profile.fua
    held = 0 if fua else buffer.held(lba, count)
    result = Fetched(lba, count, drive.profile.command)
    if held and buffer.spoiled:
        for at in range(lba, lba + held):
            outcome = buffer.spoiled.get(at)
            if outcome is not None and not _deliver(drive, result, at, outcome, want):
                return result
    if held < count:
        _read_medium(drive, loaded, result, lba + held, want)
    return result


def _read_medium(drive: DriveState, loaded: Loaded, result: Fetched, lba: int, want: Want) -> None:
    """Read from `lba` to the end of `result` off the disc."""
    count = result.lba + result.count - lba
    result.seconds += drive.spin_up() + travel(drive, loaded.disc, lba)
    lost = _lost(loaded.disc, lba, count)
    if not lost and loaded.quiet(lba, count):
        result.seconds += pass_by(drive, loaded.disc, lba, count)
        loaded.buffer.put(lba, count)
        drive.head = lba + count - 1
        return
    for at in range(lba, lba + count):
        result.seconds += pass_by(drive, loaded.disc, at, 1)
        planned = _planned(drive, loaded, result, at)
        outcome = _LOST if at in lost else planned or _off_surface(drive, loaded, at, want)
        drive.head = at
        result.seconds += outcome.seconds
        if not _deliver(drive, result, at, outcome, want):
            return
        loaded.buffer.put(at, 1)
        if outcome.damage is not None:
            loaded.buffer.spoiled[at] = outcome
        else:
            loaded.buffer.spoiled.pop(at, None)


def _planned(drive: DriveState, loaded: Loaded, result: Fetched, lba: int) -> Outcome | None:
    """What is planned for the sector, the time of which passes; None if it is spared."""
    outcome = loaded.book.attempt(lba, drive.speed, approach_of(drive.head, lba))
    if outcome.hang is not None:
        result.seconds += outcome.hang.seconds or 0.0
        if outcome.hang.then == "timeout":
            result.seconds = _NEVER
        if outcome.hang.then != "answer":
            return Outcome(sense=outcome.hang.sense)
    if outcome.sense is None and outcome.damage is None:
        result.seconds += outcome.seconds
        return None
    return outcome


def _off_surface(drive: DriveState, loaded: Loaded, lba: int, want: Want) -> Outcome:
    """What the surface gives of the sector."""
    if loaded.surface is None:
        return _FINE
    profile, area = drive.profile, loaded.disc.area_at(lba)
    has_parity = area is not None and area.track.is_data
    tries = min(profile.tries, drive.modes.retries) if profile.heeds_retries else profile.tries
    corrects = has_parity and want is not Want.STREAM and not _uncorrected(drive)
    speed, a_turn = speed_at(drive, loaded.disc, lba), turn(drive, loaded.disc, lba)
    manner = Manner(speed, a_turn, approach_of(drive.head, lba), tries, has_parity, corrects)
    return loaded.surface.read(lba, manner)


def _deliver(drive: DriveState, result: Fetched, lba: int, outcome: Outcome, want: Want) -> bool:
    """Note what became of one sector; False if the command ends here."""
    sense, damage = outcome.sense, outcome.damage
    if want is not Want.STREAM and not _uncorrected(drive):
        damage = None if outcome.correctable else damage
        sense = sense or (outcome.user_sense if want is Want.USER else outcome.raw_sense)
    if sense is not None:
        result.sense, result.bad = sense, lba
        result.count = lba - result.lba
        if drive.modes.recovery & TRANSFER_BLOCK and damage is not None:
            result.count += 1  # the bad block comes too, as far as there is one
            result.damage[lba] = damage
        return False
    if damage is not None:
        result.damage[lba] = damage
    return True


def _uncorrected(drive: DriveState) -> bool:
    return bool(drive.modes.recovery & DISABLE_CORRECTION)


def _lost(disc: Disc, lba: int, count: int) -> frozenset[int]:
    """The LBAs that the image lacks, at least those among these."""
    window = disc.window(lba, count)
    if lba + count <= window.end:
        return window.lost
    lost = set(window.lost)
    while window.end < lba + count:
        window = disc.window(window.end, lba + count - window.end)
        lost |= window.lost
    return frozenset(lost)


def main_channel(disc: Disc, fetched: Fetched) -> Bytes2D:
    """(n, 2352 or 2048) rows that were fetched, the damage done. Not to be changed."""
    lba, count = fetched.lba, fetched.count
    window = disc.window(lba, count)
    start = lba - window.lba
    rows = window.rows[start : start + count]
    if len(rows) < count:
        parts = [rows]
        at = window.end
        while at < lba + count:
            window = disc.window(at, lba + count - at)
            parts.append(window.rows[at - window.lba : lba + count - window.lba])
            at += len(parts[-1])
        rows = np.concatenate(parts)
    return damaged(rows, fetched)


def damaged(rows: Bytes2D, fetched: Fetched) -> Bytes2D:
    """`rows` with the damage done: a copy where there is any."""
    if not fetched.damage:
        return rows
    rows = rows.copy()
    for lba, damage in fetched.damage.items():
        rows[lba - fetched.lba, damage.offsets] ^= damage.xor
    return rows


def c2_pointers(fetched: Fetched) -> Bytes2D:
    """(n, 294): bit 7 of byte i stands for data byte 8i (MMC-6, 6.15)."""
    bits = np.zeros((fetched.count, 294), np.uint8)
    for lba, damage in fetched.damage.items():
        row = np.zeros(2352, np.uint8)
        row[damage.offsets[damage.flagged]] = 1
        bits[lba - fetched.lba] = np.packbits(row)
    return bits
