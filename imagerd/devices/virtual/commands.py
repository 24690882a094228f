# SPDX-License-Identifier: Apache-2.0
"""The commands of a virtual drive, by their opcodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual import (
    discinfo,
    events,
    identify,
    mechanism,
    modes,
    playing,
    reading,
)
from imagerd.devices.virtual.answers import s32, u16, u24, u32
from imagerd.devices.virtual.features import get_configuration
from imagerd.devices.virtual.readcd import read_cd, read_cd_msf, read_cdda
from imagerd.devices.virtual.state import DriveState
from imagerd.devices.virtual.structure import read_disc_structure
from imagerd.devices.virtual.subchannel import read_sub_channel

Handler = Callable[[DriveState, Command], Reply]


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the drive. `ready`: needs a medium; `quiet`: reports no unit attention.

    `size` is the length of its CDB; shorter ones are refused.
    """

    handler: Handler
    size: int
    ready: bool = False
    quiet: bool = False


COMMANDS: Final[Mapping[int, Entry]] = MappingProxyType(
    {
        0x00: Entry(identify.test_unit_ready, 6, ready=True),
        0x01: Entry(reading.rezero_unit, 6, ready=True),
        0x03: Entry(identify.request_sense, 6, quiet=True),
        0x08: Entry(reading.read_6, 6, ready=True),
        0x0B: Entry(reading.seek_6, 6, ready=True),
        0x12: Entry(identify.inquiry, 6, quiet=True),
        0x15: Entry(modes.mode_select_6, 6),
        0x1A: Entry(modes.mode_sense_6, 6),
        0x1B: Entry(mechanism.start_stop, 6),
        0x1E: Entry(mechanism.prevent_allow, 6),
        0x25: Entry(discinfo.read_capacity, 10, ready=True),
        0x28: Entry(reading.read_10, 10, ready=True),
        0x2B: Entry(reading.seek_10, 10, ready=True),
        0x2F: Entry(reading.verify_10, 10, ready=True),
        0x42: Entry(read_sub_channel, 10, ready=True),
        0x43: Entry(discinfo.read_toc, 10, ready=True),
        0x44: Entry(reading.read_header, 10, ready=True),
        0x45: Entry(playing.play_audio_10, 10, ready=True),
        0x46: Entry(get_configuration, 10, quiet=True),
        0x47: Entry(playing.play_audio_msf, 10, ready=True),
        0x4A: Entry(events.get_event_status, 10, quiet=True),
        0x4B: Entry(playing.pause_resume, 10, ready=True),
        0x4E: Entry(playing.stop_play_scan, 10, ready=True),
        0x51: Entry(discinfo.read_disc_information, 10, ready=True),
        0x52: Entry(discinfo.read_track_information, 10, ready=True),
        0x55: Entry(modes.mode_select_10, 10),
        0x5A: Entry(modes.mode_sense_10, 10),
        0x5C: Entry(mechanism.read_buffer_capacity, 10),
        0xA5: Entry(playing.play_audio_12, 12, ready=True),
        0xA8: Entry(reading.read_12, 12, ready=True),
        0xAC: Entry(mechanism.get_performance, 12),
        0xAD: Entry(read_disc_structure, 12, ready=True),
        0xB6: Entry(mechanism.set_streaming, 12),
        0xB9: Entry(read_cd_msf, 12, ready=True),
        0xBA: Entry(playing.scan, 12, ready=True),
        0xBB: Entry(mechanism.set_cd_speed, 12),
        0xBD: Entry(mechanism.mechanism_status, 12),
        0xBE: Entry(read_cd, 12, ready=True),
        0xD8: Entry(read_cdda, 12, ready=True),
    }
)


def read_range(cdb: bytes) -> tuple[int, int] | None:
    """LBA and count of a command that reads sectors; None for any other."""
    code = cdb[0]
    entry = COMMANDS.get(code)
    if entry is None or len(cdb) < entry.size:
        return None
    if code == 0xBE:
        return s32(cdb, 2), u24(cdb, 6)
    if code in (0x28, 0xA8, 0xD8):
        return s32(cdb, 2), u16(cdb, 7) if code == 0x28 else u32(cdb, 6)
    if code == 0x08:
        return (cdb[1] & 0x1F) << 16 | u16(cdb, 2), cdb[4] or 256
    if code == 0xB9:
        start, end = ((cdb[at] * 60 + cdb[at + 1]) * 75 + cdb[at + 2] for at in (3, 6))
        return start - 150, max(end - start, 0)
    return None
