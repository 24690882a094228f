# SPDX-License-Identifier: Apache-2.0
"""What redumper's `split` makes of its files, written anew from what its public source does.

Nothing of imagerd is used here: neither its scrambler, nor its CRC, nor its TOC or Q parsers.
Facts: cd/cd_split.ixx, cd/toc.ixx, cd/cd_common.ixx, utils/file_io.ixx of superg/redumper.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

START = -45150
NEAR = -1000  # the judge reads from here on, where the tests put nothing before
SYNC = b"\x00" + b"\xff" * 10 + b"\x00"
LEAD_OUT = 0xAA
SKIP, C2 = 0, 1


def scrambler_bits() -> bytes:
    """ECMA-130, annex B, one bit after the other: 2352 bytes, the first twelve zero."""
    register = [1] + [0] * 14  # stage 0 is the output
    out = bytearray(12)
    while len(out) < 2352:
        byte = 0
        for bit in range(8):
            byte |= register[0] << bit
            register = [*register[1:], register[0] ^ register[1]]
        out.append(byte)
    return bytes(out)


TABLE = int.from_bytes(scrambler_bits(), "big")


def turn(sector: bytes) -> bytes:
    return (int.from_bytes(sector, "big") ^ TABLE).to_bytes(2352, "big")


def bcd(value: int) -> int:
    return value // 16 * 10 + value % 16


def lba_of(msf: bytes) -> int:
    frames = (bcd(msf[0]) * 60 + bcd(msf[1])) * 75 + bcd(msf[2])
    return frames - 150 - (450000 if bcd(msf[0]) >= 90 else 0)


def q_of(sub: bytes) -> bytes | None:
    """Q of interleaved P–W, or None if its CRC is wrong."""
    bits = "".join("1" if byte & 0x40 else "0" for byte in sub)
    q = int(bits, 2).to_bytes(12, "big")
    crc = binascii.crc_hqx(q[:10], 0) ^ 0xFFFF
    return q if crc == int.from_bytes(q[10:], "big") else None


@dataclass
class Track:
    number: int
    control: int
    index1: int
    start: int = 0
    end: int = 0
    data: bytes = b""
    errors: dict[int, list[int]] = field(default_factory=dict)

    @property
    def is_data(self) -> bool:
        return bool(self.control & 4)


@dataclass
class Split:
    sessions: list[list[Track]]
    offset: int

    @property
    def tracks(self) -> list[Track]:
        return [t for session in self.sessions for t in session if t.number != LEAD_OUT]


class Set:
    """The files of one dump."""

    def __init__(self, prefix: Path) -> None:
        self.scram = _from(Path(f"{prefix}.scram"), 2352)
        self.state = _from(Path(f"{prefix}.state"), 588)
        self.subcode = _from(Path(f"{prefix}.subcode"), 96)
        self.toc = Path(f"{prefix}.toc").read_bytes()
        full = Path(f"{prefix}.fulltoc")
        self.full = full.read_bytes() if full.exists() else b""

    def sector(self, lba: int, offset: int) -> tuple[bytes, bytes]:
        """Bytes and states at an LBA read `offset` samples later; what is not there is zero."""
        at = (lba - NEAR) * 588 + offset
        data = self.scram[at * 4 : (at + 588) * 4].ljust(2352, b"\0")
        return data, self.state[at : at + 588].ljust(588, b"\0")

    def q(self, lba: int) -> bytes | None:
        at = (lba - NEAR) * 96
        return q_of(self.subcode[at : at + 96]) if at + 96 <= len(self.subcode) else None


def _from(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek((NEAR - START) * size)
        return stream.read()


def sessions_of(files: Set) -> list[list[Track]]:
    """The plain TOC of a disc of one session, else the full one (`toc_choose`)."""
    size = int.from_bytes(files.toc[:2], "big")
    assert size + 2 == len(files.toc), "the header counts what follows it"
    plain = [
        Track(entry[2], entry[1] & 15, int.from_bytes(entry[4:8], "big", signed=True))
        for entry in (files.toc[at : at + 8] for at in range(4, len(files.toc), 8))
    ]
    assert int.from_bytes(files.full[:2], "big") + 2 == len(files.full)
    found: dict[int, dict[int, Track]] = {}
    for at in range(4, len(files.full), 11):
        entry = files.full[at : at + 11]
        point = LEAD_OUT if entry[3] == 0xA2 else entry[3]
        if entry[1] >> 4 == 1 and (point <= 99 or point == LEAD_OUT):
            lba = (entry[8] * 60 + entry[9]) * 75 + entry[10] - 150
            found.setdefault(entry[0], {})[point] = Track(point, entry[1] & 15, lba)
    full = [[tracks[number] for number in sorted(tracks)] for _, tracks in sorted(found.items())]
    if len(full) > 1:
        return full
    assert [(t.number, t.control, t.index1) for t in plain] == [
        (t.number, t.control, t.index1) for t in full[0]
    ], "both replies tell the same disc"
    return [plain]


def lay_out(files: Set, sessions: list[list[Track]]) -> None:
    """Where each track begins and ends: by Q, or 150 before INDEX 01 where there is none."""
    known = any(files.q(lba) for lba in range(NEAR, sessions[-1][-1].index1))
    for tracks in sessions:
        for before, after in pairwise(tracks):
            after.start = _boundary(files, before, after) if known else after.index1 - 150
            before.end = after.start
    for number, tracks in enumerate(sessions):
        tracks[0].start = tracks[0].index1 if number else 0


def _boundary(files: Set, before: Track, after: Track) -> int:
    last = before.index1
    for lba in range(before.index1, after.index1):
        q = files.q(lba)
        if q is None or q[0] & 15 != 1:
            continue
        number = q[1] if q[1] == LEAD_OUT else bcd(q[1])
        if number == before.number:
            last = lba + 1
        elif number == after.number:
            break
    return after.index1 if after.number == LEAD_OUT else last


def offset_of(files: Set) -> int:
    """The write offset, by the sync and the address of the first sector of 150 in a row."""
    at, run = files.scram.find(SYNC), 0
    expected = None
    while at >= 0:
        states = files.state[at // 4 : at // 4 + 4]
        lba = lba_of(turn(files.scram[at : at + 2352].ljust(2352, b"\0"))[12:15])
        offset = at // 4 + NEAR * 588 - lba * 588
        if at % 4 == 0 and min(states) > C2:
            run = run + 1 if expected == (at, offset) else 1
            if run == 150:
                return offset
            expected = (at + 2352, offset)
            at = files.scram.find(SYNC, at + 2352)
        else:
            at = files.scram.find(SYNC, at + 1)
    return 0


def descrambled(sector: bytes, lba: int) -> bytes | None:
    """As the scrambler of redumper decides; None where it would leave the sector."""
    if not any(sector):
        return None
    plain = turn(sector)
    if lba_of(plain[12:15]) == lba:
        return plain
    if plain[:12] == SYNC:
        if plain[15] == 0:
            return plain if not any(plain[16:]) else None
        return plain if plain[15] in (1, 2) else None
    return None


def split(prefix: Path, offset: int | None = None) -> Split:
    """Tracks as `split --force-split` writes them; sectors with errors are 0x55 and listed."""
    files = Set(prefix)
    assert len(files.state) * 4 == len(files.scram)
    sessions = sessions_of(files)
    lay_out(files, sessions)
    found = offset_of(files) if offset is None else offset
    for track in (t for tracks in sessions for t in tracks if t.number != LEAD_OUT):
        parts = []
        for lba in range(track.start, track.end):
            data, states = files.sector(lba, found)
            bad = [state for state in set(states) if state in (SKIP, C2)]
            if bad:
                track.errors[lba] = sorted(bad)
                data = b"\x55" * 2352
            elif track.is_data:
                data = descrambled(data, lba) or data
            parts.append(data)
        track.data = b"".join(parts)
    return Split(sessions, found)
