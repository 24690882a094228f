# SPDX-License-Identifier: Apache-2.0
"""What a drive's complaint means: sense data into words, fault kinds and drive states.

Sources: SPC-4, 4.5 and annex D (sense key, ASC, ASCQ); MMC-6, annex F.
"""

from __future__ import annotations

from enum import StrEnum

from imagerd.devices.scsi import BUSY, DID_OK, Reply, Sense
from imagerd.disc.source import FaultKind

NOT_READY = 0x02
MEDIUM_ERROR = 0x03
HARDWARE_ERROR = 0x04
ILLEGAL_REQUEST = 0x05
UNIT_ATTENTION = 0x06

INVALID_OPCODE = Sense(ILLEGAL_REQUEST, 0x20, 0x00)
ILLEGAL_MODE_FOR_TRACK = (ILLEGAL_REQUEST, 0x64, 0x00)

_TIMEOUTS = frozenset({(0x3E, 0x02), (0x08, 0x01)})  # logical unit timed out; communication so


class DriveStatus(StrEnum):
    """What a drive holds, as far as it says."""

    EMPTY = "empty"  # no medium, tray closed (or the drive does not tell)
    TRAY_OPEN = "tray-open"
    BECOMING_READY = "becoming-ready"
    READY = "ready"
    UNREADABLE = "unreadable"  # there is a disc, and the drive cannot make it out


_WORDS: dict[tuple[int, int | None], str] = {
    (0x02, None): "no seek complete",
    (0x04, 0x01): "becoming ready",
    (0x04, None): "not ready",
    (0x06, None): "no reference position found",
    (0x08, None): "no communication with the drive",
    (0x09, None): "tracking or focus lost",
    (0x11, 0x05): "uncorrectable by L-EC",
    (0x11, 0x06): "uncorrectable by CIRC",
    (0x11, None): "unrecovered read error",
    (0x15, None): "positioning error",
    (0x17, None): "recovered by retries",
    (0x18, None): "recovered by correction",
    (0x20, None): "the drive does not know this command",
    (0x21, None): "address out of range",
    (0x24, None): "the drive does not support this form of the command",
    (0x26, None): "parameter not supported",
    (0x28, None): "the medium may have been changed",
    (0x29, None): "the drive was reset",
    (0x2A, None): "settings were changed",
    (0x30, None): "incompatible or unreadable medium",
    (0x3A, 0x02): "no medium, tray open",
    (0x3A, None): "no medium",
    (0x3E, 0x02): "the drive timed out",
    (0x44, None): "internal failure of the drive",
    (0x53, 0x02): "removal of the medium is prevented",
    (0x53, None): "loading or ejecting failed",
    (0x57, None): "the table of contents cannot be read",
    (0x63, None): "end of the user area",
    (0x64, None): "wrong type of sector for this track",
    (0x6F, None): "copy protection",
}


def describe(sense: Sense) -> str:
    """The code and, where we know them, its words: ``03/11/05, uncorrectable by L-EC``."""
    words = _WORDS.get((sense.asc, sense.ascq)) or _WORDS.get((sense.asc, None))
    return f"{sense}, {words}" if words else str(sense)


def explain(reply: Reply) -> str:
    """Why a command was not carried out, for a sentence."""
    if reply.timed_out:
        return "the drive did not answer in time"
    if reply.host_status != DID_OK:
        return f"the bus failed (host status {reply.host_status:#04x})"
    if reply.sense is not None:
        return describe(reply.sense)
    return "the drive is busy" if reply.status == BUSY else f"status {reply.status:#04x}"


def fault_kind(reply: Reply) -> FaultKind:
    """The kind of fault in a reply that is not `ok`.

    A deferred error belongs to an earlier command, so it blames no sector of this one.
    """
    if reply.timed_out:
        return FaultKind.TIMEOUT
    sense = reply.sense
    if reply.host_status != DID_OK or sense is None or sense.deferred:
        return FaultKind.TRANSPORT
    if (sense.asc, sense.ascq) in _TIMEOUTS:
        return FaultKind.TIMEOUT
    if sense.key in (MEDIUM_ERROR, HARDWARE_ERROR):
        return FaultKind.MEDIUM  # servo errors are hardware errors to a drive, a bad disc to us
    if sense.key in (NOT_READY, UNIT_ATTENTION):
        return FaultKind.NOT_READY
    if sense.key in (ILLEGAL_REQUEST, 0x07, 0x08):  # data protect, blank check
        return FaultKind.REFUSED
    return FaultKind.TRANSPORT  # aborted command and the like


def status_of(reply: Reply) -> DriveStatus:
    """The state of the drive that a TEST UNIT READY's reply tells of.

    The tray is TRAY_OPEN only if the drive says so (3A/02). Whatever is not yet clear counts as
    becoming ready: the caller's patience decides.
    """
    if reply.ok:
        return DriveStatus.READY
    sense = reply.sense
    if reply.host_status != DID_OK or sense is None:
        return DriveStatus.BECOMING_READY
    if sense.key in (MEDIUM_ERROR, HARDWARE_ERROR) or sense.asc in (0x30, 0x57, 0x06, 0x09):
        return DriveStatus.UNREADABLE
    if sense.asc == 0x3A:
        return DriveStatus.TRAY_OPEN if sense.ascq == 0x02 else DriveStatus.EMPTY
    if sense.key == ILLEGAL_REQUEST:
        return DriveStatus.UNREADABLE
    return DriveStatus.BECOMING_READY


def needs_start(reply: Reply) -> bool:
    """Whether the drive waits to be told to spin up (02/04/02)."""
    return reply.sense is not None and reply.sense.code == (NOT_READY, 0x04, 0x02)


__all__ = [
    "ILLEGAL_MODE_FOR_TRACK",
    "ILLEGAL_REQUEST",
    "INVALID_OPCODE",
    "MEDIUM_ERROR",
    "NOT_READY",
    "UNIT_ATTENTION",
    "DriveStatus",
    "describe",
    "explain",
    "fault_kind",
    "needs_start",
    "status_of",
]
