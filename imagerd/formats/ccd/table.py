# SPDX-License-Identifier: Apache-2.0
"""The text of a .ccd: sections with numbers in them, read forgivingly, and written.

[Entry n] is a row of READ TOC format 2 (MMC-6): values are binary, whatever the disc has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK, CdText, pack_crc
from imagerd.formats.keptsheet import KeptSheet, from_lines

_MOST_ENTRIES = 99 + 99 * 8  # tracks, and A0–A2, B0–B4 for each session
_MOST_PACKS = 8 * 256
_SECTION = re.compile(r"\[\s*([A-Za-z]+)\s*(\d{0,4})\s*\]")
_NUMBER = re.compile(r"(-?)\s*(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})")
FIRST, LAST, LEAD_OUT, NEXT = 0xA0, 0xA1, 0xA2, 0xB0
OURS = "imagerd"  # a section of our own


@dataclass(frozen=True, slots=True)
class Entry:
    """A point of the table of contents: tracks 1–99, or `FIRST`, `LAST`, `LEAD_OUT`, …"""

    session: int
    point: int
    adr: int
    control: int
    p: tuple[int, int, int]
    plba: int


@dataclass(slots=True)
class TrackSection:
    """[TRACK n]. `indexes` are the LBAs as they stand there."""

    mode: int | None = None
    isrc: str | None = None
    indexes: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Table:
    """A whole .ccd; `notes` are oddities with their lines."""

    version: int = 3
    scrambled: bool = False
    catalog: str | None = None
    entries: list[Entry] = field(default_factory=list)
    tracks: dict[int, TrackSection] = field(default_factory=dict)
    packs: dict[int, bytes] = field(default_factory=dict)
    sheet: KeptSheet | None = None
    notes: list[tuple[int | None, str]] = field(default_factory=list)

    def cd_text(self) -> CdText | None:
        """The packs, each with the CRC that a .ccd leaves out."""
        data = b"".join(pack + pack_crc(pack) for _, pack in sorted(self.packs.items()))
        return CdText(data) if data else None


def read_table(text: str) -> Table:
    """The table that `text` is. Raises `BadInput` (no file name in it) if there is none."""
    table = Table()
    for name, number, line, values in _sections(text):
        if name == "clonecd":
            table.version = _number(values.get("version"), line) or 3
        elif name == "disc":
            table.scrambled = bool(_number(values.get("datatracksscrambled"), line))
            table.catalog = values.get("catalog")
        elif name == "cdtext":
            _packs(table, values, line)
        elif name == "entry":
            _entry(table, values, line)
        elif name == "track":
            _track(table, number, values, line)
        elif name == OURS:
            table.sheet = from_lines(value for key, value in values.items() if key[:5] == "sheet")
        elif name != "session":
            table.notes.append((line, f"[{name}] is no section of a .ccd"))
    if not table.entries:
        raise BadInput("it has no entries of a table of contents")
    return table


def _sections(text: str) -> list[tuple[str, int, int, dict[str, str]]]:
    """Name, number, line and values of each; keys in small letters, blanks in them as one."""
    found: list[tuple[str, int, int, dict[str, str]]] = []
    for line, body in enumerate(text.splitlines(), 1):
        content = body.strip(" \t\0\x1a\ufeff")
        match = _SECTION.match(content)
        if match is not None:
            found.append((match[1].lower(), int(match[2] or 0), line, {}))
        elif "=" in content and found:
            key, _, value = content.partition("=")
            found[-1][3][" ".join(key.lower().split())] = value.strip()
    return found


def _number(text: str | None, line: int) -> int:
    """A number, decimal or hexadecimal; 0 where there is none."""
    if text is None or not text:
        return 0
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise BadInput(f"line {line}: {text[:20]!r} is no number")
    value = int(match[2], 16 if match[2][:2].lower() == "0x" else 10)
    if value >= 1 << 32:
        raise BadInput(f"line {line}: {text[:20]} is too large")
    return -value if match[1] else value


def _entry(table: Table, values: dict[str, str], line: int) -> None:
    def get(name: str) -> int:
        return _number(values.get(name), line)

    if len(table.entries) == _MOST_ENTRIES:
        raise BadInput(f"line {line}: it has more than {_MOST_ENTRIES} entries")
    p = (get("pmin"), get("psec"), get("pframe"))
    minutes, seconds, frames = p
    plba = get("plba") if "plba" in values else (minutes * 60 + seconds) * 75 + frames - 150
    session = get("session") or 1
    table.entries.append(Entry(session, get("point"), get("adr"), get("control") & 15, p, plba))


def _track(table: Table, number: int, values: dict[str, str], line: int) -> None:
    track = table.tracks.setdefault(number, TrackSection())
    if "mode" in values:
        track.mode = _number(values["mode"], line)
    isrc = values.get("isrc", "").replace("-", "").upper()
    if isrc.strip("0"):
        track.isrc = isrc
    for key, value in values.items():
        match = re.fullmatch(r"index (\d{1,2})", key)
        if match is not None:
            track.indexes[int(match[1])] = _number(value, line)


def _packs(table: Table, values: dict[str, str], line: int) -> None:
    for key, value in values.items():
        match = re.fullmatch(r"entry (\d{1,4})", key)
        if match is None:
            continue
        try:
            pack = bytes.fromhex(value)
        except ValueError:
            pack = b""
        if len(pack) not in (PACK - 2, PACK) or int(match[1]) >= _MOST_PACKS:
            table.notes.append((line, f"[CDText] {key} is no pack of CD-Text"))
            continue
        table.packs[int(match[1])] = pack[: PACK - 2]
