# SPDX-License-Identifier: Apache-2.0
"""The track entries of a CHD: what its metadata say of each track, and the metadata of a track.

A frame is 2448 bytes: a sector, left-aligned and filled up with zeros, and 96 bytes of subchannel.
Each track's frames begin at a multiple of four. Audio is big-endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats.chd.metadata import Block

PADDING = 4  # frames that the length of a track is rounded up to
MOST_FRAMES = 900_000  # of a disc; a GD-ROM has 549150
CD2, CD1, CD0 = b"CHT2", b"CHTR", b"CHCD"
GD2, GD1 = b"CHGD", b"CHGT"
DVD = b"DVD "
SESSION = b"CHSE"
_SESSION = re.compile(rb"SESSION:(\d{1,2})")
_TAGS = (CD2, GD2, CD1, GD1)
_FIELD = re.compile(r"(?<![A-Z])([A-Z]+):(\S*)")
_MOST_TRACKS = 99

TYPES = {
    "MODE1": (TrackMode.MODE1, SectorFormat.USER),
    "MODE1_RAW": (TrackMode.MODE1, SectorFormat.RAW),
    "MODE2": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2_FORM1": (TrackMode.MODE2, SectorFormat.USER),
    "MODE2_FORM2": (TrackMode.MODE2, SectorFormat.FORM2),
    "MODE2_FORM_MIX": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2_RAW": (TrackMode.MODE2, SectorFormat.RAW),
    "AUDIO": (TrackMode.AUDIO, SectorFormat.RAW),
}
_WORDS = {
    "MODE1/2048": "MODE1",
    "MODE1/2352": "MODE1_RAW",
    "MODE2/2336": "MODE2_FORM_MIX",
    "MODE2/2048": "MODE2_FORM1",
    "MODE2/2324": "MODE2_FORM2",
    "MODE2/2352": "MODE2_RAW",
    "CDI/2352": "MODE2_RAW",
}
_NUMBERED = tuple(TYPES)  # CHCD counts the types in this order
_WITH_SUB = {
    SectorFormat.RAW: SectorFormat.RAW_SUB,
    SectorFormat.USER: SectorFormat.USER_SUB,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One track as a CHD has it.

    `frames` are stored, the last `pad` of them only to reach where the next track begins.
    `pregap` frames are the first of `frames` if `stored_gap`, else in no file; nor are `postgap`.
    `sub` is "NONE", "RW" (eight channels of 12 bytes each) or "RW_RAW" (interleaved).
    """

    number: int
    type: str
    frames: int
    sub: str = "NONE"
    pad: int = 0
    pregap: int = 0
    stored_gap: bool = False
    postgap: int = 0

    @property
    def mode(self) -> TrackMode:
        """What its sectors are."""
        return TYPES[self.type][0]

    @property
    def body(self) -> SectorFormat:
        """How a sector lies in its frame, without the subchannel."""
        return TYPES[self.type][1]

    @property
    def stored(self) -> SectorFormat:
        """The format of its sectors, with the subchannel where one is stored and can be shown."""
        return self.body if self.sub == "NONE" else _WITH_SUB.get(self.body, self.body)

    @property
    def padded(self) -> int:
        """Frames that it takes of the data."""
        return -(-self.frames // PADDING) * PADDING


def is_gd(blocks: Sequence[Block]) -> bool:
    """Whether the tracks are those of a GD-ROM."""
    return any(block.tag in (GD1, GD2) for block in blocks)


def read_entries(blocks: Sequence[Block]) -> tuple[Entry, ...]:
    """The tracks, or () where there are none. Raises `BadInput` (no file name) for odd ones."""
    texts = [block for block in blocks if block.tag in _TAGS]
    old = [block for block in blocks if block.tag == CD0]
    entries = [_parse(block) for block in texts] or [e for b in old[:1] for e in _parse_binary(b)]
    entries.sort(key=lambda entry: entry.number)
    if [entry.number for entry in entries] != list(range(1, len(entries) + 1)):
        raise BadInput("its tracks are not numbered from 1 on")
    total = sum(entry.padded + entry.pregap + entry.postgap for entry in entries)
    if len(entries) > _MOST_TRACKS or total > MOST_FRAMES:
        raise BadInput(f"its {len(entries)} tracks with {total} frames are none of a disc")
    return tuple(entries)


def read_sessions(blocks: Sequence[Block], tracks: int) -> tuple[int, ...]:
    """The session of each track, or () where the file says nothing of sessions (CHSE)."""
    numbers: list[int] = []
    for block in blocks:
        found = _SESSION.match(block.data) if block.tag == SESSION else None
        if found:
            numbers.append(max(int(found[1]), numbers[-1] if numbers else 1))
    if not numbers:
        return ()
    return tuple((numbers + numbers[-1:] * tracks)[:tracks])


def _parse(block: Block) -> Entry:
    text = block.data.rstrip(b"\0").decode("ascii", "replace")
    fields: dict[str, str] = dict(_FIELD.findall(text))
    try:
        pregap_type = fields.get("PGTYPE", "")
        word = fields["TYPE"]
        entry = Entry(
            int(fields["TRACK"]),
            _WORDS.get(word, word),
            int(fields["FRAMES"]),
            fields.get("SUBTYPE", "NONE"),
            int(fields.get("PAD", "0")),
            int(fields.get("PREGAP", "0")),
            pregap_type.startswith("V"),
            int(fields.get("POSTGAP", "0")),
        )
    except (KeyError, ValueError) as error:
        raise BadInput(f"it has a track that says {text[:200]!r}") from error
    _check(entry, text)
    return entry


def _check(entry: Entry, text: str) -> None:
    stored = entry.frames - entry.pad - (entry.pregap if entry.stored_gap else 0)
    counts = (entry.frames, entry.pad, entry.pregap, entry.postgap, stored)
    if (
        entry.type not in TYPES
        or entry.sub not in ("NONE", "RW", "RW_RAW")
        or min(counts) < 0
        or max(counts) > MOST_FRAMES
    ):
        raise BadInput(f"it has a track that says {text[:200]!r}")


def _parse_binary(block: Block) -> list[Entry]:
    """CHCD: the number of tracks, then type, subtype, sizes, frames, extra frames of 99."""
    if len(block.data) < 4 + 24:
        raise BadInput("its table of tracks is cut short")
    words = len(block.data) // 4
    for order in (">", "<"):
        table = struct.unpack_from(f"{order}{words}I", block.data)
        if 0 < table[0] <= _MOST_TRACKS and 1 + 6 * table[0] <= words:
            break
    else:
        raise BadInput("its table of tracks is damaged")
    entries = []
    for number in range(table[0]):
        kind, sub, _, _, frames, _ = table[1 + 6 * number : 7 + 6 * number]
        if kind >= len(_NUMBERED) or sub > 2 or frames > MOST_FRAMES:
            raise BadInput("its table of tracks is damaged")
        entries.append(Entry(number + 1, _NUMBERED[kind], frames, ("RW", "RW_RAW", "NONE")[sub]))
    return entries


def render(entry: Entry, *, gd: bool) -> Block:
    """The metadata of a track, to the letter as MAME writes it."""
    pad = f" PAD:{entry.pad}" if gd else ""
    gap = f"V{entry.type}" if entry.stored_gap and entry.pregap else "MODE1"
    text = (
        f"TRACK:{entry.number} TYPE:{entry.type} SUBTYPE:{entry.sub} FRAMES:{entry.frames}{pad}"
        f" PREGAP:{entry.pregap} PGTYPE:{gap} PGSUB:NONE POSTGAP:{entry.postgap}"
    )
    return Block(GD2 if gd else CD2, text.encode() + b"\0")
