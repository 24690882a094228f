# SPDX-License-Identifier: Apache-2.0
"""What is known of a model of drive with one firmware: plain data, that a catalog can keep.

Every answer may be None: not known. Nothing here is what a drive claims of itself; all was tried.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

FORMAT = 1
_EPOCH = datetime.fromtimestamp(0, UTC)


class Order(StrEnum):
    """How a record of READ CD with C2 and raw subchannel is laid out."""

    C2_FIRST = "data, C2, sub"  # the standard's
    SUB_FIRST = "data, sub, C2"
    APART = "not together"  # one of them is lacking, or they do not come in one command


class AsAudio(StrEnum):
    """What comes of a data sector that is asked for as CD-DA."""

    REFUSED = "refused"
    SCRAMBLED = "scrambled"  # as it lies on the disc
    PLAIN = "descrambled"


class Fua(StrEnum):
    """What Force Unit Access does."""

    OBEYED = "obeyed"
    IGNORED = "ignored"  # accepted, without effect
    REFUSED = "refused"


class DriveKnowledge(msgspec.Struct, frozen=True, kw_only=True):
    """A model with its firmware. None: not known.

    `c2_sizes`: sizes of the C2 field that came, out of 294 and 296; () if both are refused.
    `raw_sub`: raw P–W comes, and the CRCs of its Q are right.
    `sub_lag`: sectors by which the subchannel lags behind the sector that it comes with. `q_binary`
    and `q_crc` are of the formatted Q of 16 bytes: binary in place of BCD, and a right CRC.
    `cache_holds` and `cache_loses`: so many sectors of 2352 bytes were read on end, and the first
    of them still came, or came no more, out of the cache; the cache ends between the two. `flush`
    is READ(12) with FUA of no sectors, `fua` that of some. `pregap`: sectors before LBA 0 that can
    be read, of 0, 1, 75, 135 and 150, which were tried; `lead_out`: those from the lead-out on, 100
    at most.

    `hung` names what the drive hung at: that is not asked again without being told to. `tries`
    counts probings; `commands` and `seconds` are what the last one cost, `ended` is why it ended
    before all was asked, "" if it did not.
    """

    c2_sizes: tuple[int, ...] | None = None
    raw_sub: bool | None = None
    order: Order | None = None
    formatted_q: bool | None = None
    q_binary: bool | None = None
    q_crc: bool | None = None
    sub_lag: int | None = None
    as_audio: AsAudio | None = None
    d8: bool | None = None
    cache_holds: int | None = None
    cache_loses: int | None = None
    flush: Fua | None = None
    fua: Fua | None = None
    far_read_empties: bool | None = None
    pregap: int | None = None
    lead_in: bool | None = None
    lead_out: int | None = None

    hung: tuple[str, ...] = ()
    tries: int = 0
    commands: int = 0
    seconds: float = 0.0
    ended: str = ""
    software: str = ""
    probed: datetime = _EPOCH
    format: int = FORMAT


UNKNOWN = DriveKnowledge()
ANSWERS = (
    "c2_sizes", "raw_sub", "order", "formatted_q", "q_binary", "q_crc", "sub_lag", "as_audio",
    "d8", "cache_holds", "cache_loses", "flush", "fua", "far_read_empties", "pregap", "lead_in",
    "lead_out",
)  # fmt: skip


def merged(older: DriveKnowledge, newer: DriveKnowledge) -> DriveKnowledge:
    """Both together: what the newer does not know, the older may. The cache's two go together."""
    known = {name: getattr(older, name) for name in ANSWERS if getattr(newer, name) is None}
    if newer.cache_holds is not None:
        known.pop("cache_loses", None)
    return msgspec.structs.replace(
        newer,
        **known,
        hung=tuple(sorted({*older.hung, *newer.hung})),
        tries=max(older.tries, newer.tries),
    )


def to_json(known: DriveKnowledge) -> dict[str, object]:
    """As a catalog keeps it."""
    made: dict[str, object] = msgspec.to_builtins(known)
    return made


def from_json(kept: object) -> DriveKnowledge | None:
    """What a catalog kept; None if it is of another format, or makes no sense."""
    try:
        known = msgspec.convert(kept, DriveKnowledge)
    except msgspec.ValidationError:
        return None
    return known if known.format == FORMAT else None
