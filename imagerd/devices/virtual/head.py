# SPDX-License-Identifier: Apache-2.0
"""The optical head and the buffer: which sectors of a command come, how wrong, how late."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.answers import UNREADABLE
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.faultbook import Damage, Outcome, approach_of
from imagerd.devices.virtual.faults import Approach
from imagerd.devices.virtual.modepages import DISABLE_CORRECTION, TRANSFER_BLOCK
from imagerd.devices.virtual.state import DriveState, Loaded
from imagerd.disc.source import Bytes2D

_TURN = 0.012  # seconds for which the disc turns until a sector comes by again
_LOST = Outcome(sense=UNREADABLE)
_NEVER = float("inf")


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
    drive: DriveState, loaded: Loaded, lba: int, count: int, *, raw: bool, fua: bool
) -> Fetched:
    """Read `count` sectors, all readable addresses. `raw`: errors that C2 knows of are delivered.

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
            if outcome is not None and not _deliver(drive, result, at, outcome, raw):
                return result
    if held < count:
        _read_medium(drive, loaded, result, lba + held, raw)
    return result


def _read_medium(drive: DriveState, loaded: Loaded, result: Fetched, lba: int, raw: bool) -> None:
    """Read from `lba` to the end of `result` off the disc."""
    count = result.lba + result.count - lba
    result.seconds += drive.spin_up() + travel(drive, loaded.disc, lba, count)
    if loaded.book.quiet(lba, count) and not _lost(loaded.disc, lba, count):
        loaded.buffer.put(lba, count)
        drive.head = lba + count - 1
        return
    lost = _lost(loaded.disc, lba, count)
    speed = drive.speed
    for at in range(lba, lba + count):
        outcome = loaded.book.attempt(at, speed, approach_of(drive.head, at))
        drive.head = at
        outcome = _LOST if at in lost else outcome
        result.seconds += outcome.seconds
        if outcome.hang is not None:
            result.seconds += outcome.hang.seconds or 0.0
            if outcome.hang.then == "timeout":
                result.seconds = _NEVER
            if outcome.hang.then != "answer":
                outcome = Outcome(sense=outcome.hang.sense)
        if not _deliver(drive, result, at, outcome, raw):
            return
        loaded.buffer.put(at, 1)
        if outcome.damage is not None:
            loaded.buffer.spoiled[at] = outcome
        else:
            loaded.buffer.spoiled.pop(at, None)


def _deliver(drive: DriveState, result: Fetched, lba: int, outcome: Outcome, raw: bool) -> bool:
    """Note what became of one sector; False if the command ends here."""
    sense = outcome.sense
    recovery = drive.modes.recovery
    if sense is None and not raw and not recovery & DISABLE_CORRECTION:
        sense = outcome.user_sense
    if sense is not None:
        result.sense, result.bad = sense, lba
        result.count = lba - result.lba
        if recovery & TRANSFER_BLOCK and outcome.damage is not None:
            result.count += 1  # the bad block comes too, as far as there is one
            result.damage[lba] = outcome.damage
        return False
    if outcome.damage is not None:
        result.damage[lba] = outcome.damage
    return True


def travel(drive: DriveState, disc: Disc, lba: int, count: int) -> float:
    """Seconds to get to `lba` and for `count` sectors to pass by."""
    seconds = count * disc.size / (drive.speed * 1000)
    distance = lba - drive.head
    if 0 <= distance <= 1:
        return seconds
    if approach_of(drive.head, lba) is not Approach.SEEK:
        return seconds + _TURN
    share = abs(distance) / max(disc.layout.end, 1)
    return seconds + drive.profile.seek * min(0.2 + 0.8 * share, 1.0)


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
