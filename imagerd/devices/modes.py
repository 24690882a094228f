# SPDX-License-Identifier: Apache-2.0
"""Which mode a data track is in: asked of the drive, then looked up in a sector's header.

READ TRACK INFORMATION has a data mode, which many drives leave at "unknown" or at 1. The header of
a sector (ECMA-130, clause 14: sync, address, mode) cannot be wrong, so it has the last word; only
where no sector of the track's beginning can be read does the drive's word, and then the disc type
of the TOC (XA and CD-i discs are mode 2), decide.
"""

from __future__ import annotations

from imagerd.devices.link import Link
from imagerd.devices.mmc_info import ReadTrackInformation
from imagerd.devices.mmc_read import RAW, ReadCd
from imagerd.devices.toc import DiscToc, Start
from imagerd.disc.layout import DiscType, TrackMode

SYNC = b"\x00" + b"\xff" * 10 + b"\x00"
_MODES = {0: TrackMode.MODE0, 1: TrackMode.MODE1, 2: TrackMode.MODE2}
_TRIES = (0, 16, 1, 100)  # sectors after INDEX 01; 16 holds a volume descriptor


def header_mode(raw: bytes | memoryview) -> TrackMode | None:
    """The mode that a raw sector's header names; None without a sync or with mode 3."""
    if len(raw) < 16 or bytes(raw[:12]) != SYNC:
        return None
    return _MODES.get(raw[15] & 3)


def track_modes(link: Link, toc: DiscToc) -> tuple[dict[int, TrackMode], list[str]]:
    """The mode of every data track of `toc`, and what was odd, as sentences."""
    modes: dict[int, TrackMode] = {}
    notes: list[str] = []
    for start in toc.tracks:
        if start.is_data:
            modes[start.number], note = _mode_of(link, toc, start)
            notes += note
    return modes, notes


def _mode_of(link: Link, toc: DiscToc, start: Start) -> tuple[TrackMode, list[str]]:
    information = link.try_ask(ReadTrackInformation(start.number))
    told = _MODES.get(information.data_mode) if information is not None else None
    seen = _look(link, toc, start)
    if seen is not None:
        if told is TrackMode.MODE2 and seen is TrackMode.MODE1:
            return seen, [
                f"The drive says that track {start.number} is mode 2; its sectors are mode 1."
            ]
        return seen, []
    number = start.number
    if told in (TrackMode.MODE1, TrackMode.MODE2):
        return told, [
            f"No sector at the beginning of track {number} can be read; {told} is the drive's word."
        ]
    guess = TrackMode.MODE1 if toc.disc_type is DiscType.CDDA_OR_ROM else TrackMode.MODE2
    return guess, [f"The mode of track {number} could not be found out; {guess} is assumed."]


def _look(link: Link, toc: DiscToc, start: Start) -> TrackMode | None:
    end = toc.end_of(start)
    for step in _TRIES:
        lba = start.lba + step
        if lba < end:
            reply = link.execute(ReadCd(lba, 1).command())
            if reply.ok and len(reply.data) >= RAW:
                mode = header_mode(reply.data)
                if mode is not None:
                    return mode
    return None
