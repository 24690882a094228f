# SPDX-License-Identifier: Apache-2.0
"""The sense codes that the target gives (MMC-6, annex F; SPC-4), and how replies are made."""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import CHECK_CONDITION, DID_TIME_OUT, Command, Reply, Sense

NO_SENSE: Final = Sense(0x00, 0x00, 0x00)
BECOMING_READY: Final = Sense(0x02, 0x04, 0x01)
NO_MEDIUM_TRAY_CLOSED: Final = Sense(0x02, 0x3A, 0x01)
NO_MEDIUM_TRAY_OPEN: Final = Sense(0x02, 0x3A, 0x02)
INCOMPATIBLE_MEDIUM: Final = Sense(0x02, 0x30, 0x00)
UNREADABLE: Final = Sense(0x03, 0x11, 0x05)
INTERNAL_FAILURE: Final = Sense(0x04, 0x44, 0x00)
PARAMETER_LIST_LENGTH: Final = Sense(0x05, 0x1A, 0x00)
UNKNOWN_COMMAND: Final = Sense(0x05, 0x20, 0x00)
OUT_OF_RANGE: Final = Sense(0x05, 0x21, 0x00)
BAD_FIELD: Final = Sense(0x05, 0x24, 0x00)
BAD_PARAMETER: Final = Sense(0x05, 0x26, 0x00)
WRONG_FORMAT: Final = Sense(0x05, 0x30, 0x02)
OUT_OF_SEQUENCE: Final = Sense(0x05, 0x2C, 0x00)
NO_SAVING: Final = Sense(0x05, 0x39, 0x00)
REMOVAL_PREVENTED: Final = Sense(0x05, 0x53, 0x02)
END_OF_USER_AREA: Final = Sense(0x05, 0x63, 0x00)
ILLEGAL_MODE: Final = Sense(0x05, 0x64, 0x00)
MEDIUM_CHANGED: Final = Sense(0x06, 0x28, 0x00)
RESET: Final = Sense(0x06, 0x29, 0x00)

GOOD_REPLY: Final = Reply()


def refuse(sense: Sense, data: bytes | memoryview = b"") -> Reply:
    """CHECK CONDITION, with what had been transferred before."""
    return Reply(status=CHECK_CONDITION, data=data, sense=sense, driver_status=8)


def blame(sense: Sense, lba: int, data: bytes | memoryview = b"") -> Reply:
    """CHECK CONDITION with `lba` in the information field."""
    return refuse(Sense(sense.key, sense.asc, sense.ascq, lba & 0xFFFFFFFF), data)


def timed_out(seconds: float) -> Reply:
    """What the host sees when no answer came."""
    return Reply(host_status=DID_TIME_OUT, seconds=seconds)


def give(command: Command, data: bytes | bytearray, allocation: int) -> Reply:
    """GOOD with `data`, cut to the allocation length of the CDB and to what the host takes."""
    size = min(len(data), allocation, command.length)
    return Reply(data=bytes(data) if size == len(data) else bytes(data[:size]))


def u16(data: bytes | bytearray, at: int) -> int:
    """Two bytes, big-endian."""
    return data[at] << 8 | data[at + 1]


def u24(data: bytes | bytearray, at: int) -> int:
    """Three bytes, big-endian."""
    return data[at] << 16 | data[at + 1] << 8 | data[at + 2]


def u32(data: bytes | bytearray, at: int) -> int:
    """Four bytes, big-endian."""
    return int.from_bytes(data[at : at + 4], "big")


def s32(data: bytes | bytearray, at: int) -> int:
    """Four bytes, big-endian, two's complement: an LBA."""
    return int.from_bytes(data[at : at + 4], "big", signed=True)
