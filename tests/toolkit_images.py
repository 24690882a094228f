# SPDX-License-Identifier: Apache-2.0
"""Images on disk for tests of the toolkit and the verbs, written by hand: no writer of ours."""

from __future__ import annotations

from pathlib import Path

from imagerd.disc.layout import SectorFormat, Track, TrackMode
from imagerd.disc.msf import format_duration
from tests.sources import MemorySource

_MODES = {
    (TrackMode.AUDIO, SectorFormat.RAW): "AUDIO",
    (TrackMode.MODE1, SectorFormat.RAW): "MODE1/2352",
    (TrackMode.MODE1, SectorFormat.USER): "MODE1/2048",
    (TrackMode.MODE2, SectorFormat.USER): "MODE2/2048",
    (TrackMode.MODE2, SectorFormat.RAW): "MODE2/2352",
    (TrackMode.MODE2, SectorFormat.MODE2): "MODE2/2336",
}


def write_cue(folder: Path, disc: MemorySource, stem: str = "disc", *, split: bool = False) -> Path:
    """A .cue/.bin of a disc of one session; `split`: one .bin for each track."""
    lines = [f"CATALOG {disc.layout.mcn}"] if disc.layout.mcn else []
    at, whole = 0, bytearray()
    for track in disc.layout.tracks:
        stored = disc.raw[track.number].tobytes()
        if split:
            name = f"{stem} (Track {track.number}).bin"
            (folder / name).write_bytes(stored)
            lines.append(f'FILE "{name}" BINARY')
            at = 0
        elif not whole:
            lines.append(f'FILE "{stem}.bin" BINARY')
        lines += _track_lines(track, at)
        at += track.end - track.start
        whole += stored
    if not split:
        (folder / f"{stem}.bin").write_bytes(whole)
    sheet = folder / f"{stem}.cue"
    sheet.write_text("\n".join(lines) + "\n")
    return sheet


def _track_lines(track: Track, at: int) -> list[str]:
    lines = [f"  TRACK {track.number:02} {_MODES[track.mode, track.stored]}"]
    if track.isrc:
        lines.append(f"    ISRC {track.isrc}")
    for index in track.indexes:
        when = format_duration(index.lba - track.start + at)
        lines.append(f"    INDEX {index.number:02} {when}")
    return lines


def write_iso(folder: Path, sectors: bytes, stem: str = "disc") -> Path:
    """An .iso of these bytes."""
    path = folder / f"{stem}.iso"
    path.write_bytes(sectors)
    return path


def volume(sectors: int, claimed: int | None = None, name: str = "VOLUME") -> bytes:
    """`sectors` blocks with a primary volume descriptor that claims `claimed` of them."""
    data = bytearray(sectors * 2048)
    size = sectors if claimed is None else claimed
    descriptor = bytearray(2048)
    descriptor[:8] = b"\x01CD001\x01\x00"
    descriptor[40:72] = name.encode().ljust(32)
    descriptor[80:88] = size.to_bytes(4, "little") + size.to_bytes(4, "big")
    descriptor[128:132] = (2048).to_bytes(2, "little") + (2048).to_bytes(2, "big")
    data[16 * 2048 : 17 * 2048] = descriptor
    return bytes(data)
