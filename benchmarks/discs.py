# SPDX-License-Identifier: Apache-2.0
"""Large images to measure with."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.sectors.convert import to_raw

SECTORS = 267_494  # 600 MiB of raw sectors, 548 MB of user data
RAW_SIZE = SECTORS * 2352
_BATCH = 4096


def raw_image(folder: Path) -> Path:
    """A .cue/.bin of one mode 1 track full of noise, every sector valid; in the page cache.

    It has a volume descriptor (ECMA-119, 8.4), which iat looks for.
    """
    rng = np.random.default_rng(1)
    with (folder / "disc.bin").open("wb") as stream:
        for at in range(0, SECTORS, _BATCH):
            count = min(_BATCH, SECTORS - at)
            user = rng.integers(0, 256, (count, 2048), np.uint8)
            if at == 0:
                user[16], user[17] = _descriptors()
            stream.write(to_raw(user, SectorFormat.USER, TrackMode.MODE1, at).data)
    sheet = folder / "disc.cue"
    sheet.write_text('FILE "disc.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    return sheet


def _descriptors(
    sectors: int = SECTORS,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A primary volume descriptor, as far as anyone here looks, and the end of the set."""
    primary, last = np.zeros(2048, np.uint8), np.zeros(2048, np.uint8)
    primary[:7] = np.frombuffer(b"\x01CD001\x01", np.uint8)
    primary[40:72] = np.frombuffer(b"NOISE".ljust(32), np.uint8)
    size = sectors.to_bytes(4, "little") + sectors.to_bytes(4, "big")
    primary[80:88] = np.frombuffer(size, np.uint8)
    primary[128:132] = 0, 8, 8, 0  # 2048, in both orders
    last[:7] = np.frombuffer(b"\xffCD001\x01", np.uint8)
    return primary, last


def iso_image(folder: Path) -> Path:
    """A .iso of 600 MiB: half files of this Python, the rest noise and emptiness."""
    path = folder / "disc.iso"
    blocks = RAW_SIZE // 2048
    with path.open("wb") as stream:
        for at, user in enumerate(_mixed(blocks, np.random.default_rng(3))):
            if at == 0:
                user = user.copy()
                user[16], user[17] = _descriptors(blocks)
            stream.write(user.data[: blocks - at * _BATCH])
    return path


def xa_image(folder: Path) -> Path:
    """A .cue/.bin of one mode 2 track such as a game's with film: every eighth sector is form 2."""
    rng = np.random.default_rng(4)
    size = SectorFormat.XA_USER.size
    form2 = 0x20  # of the submode
    with (folder / "film.bin").open("wb") as stream:
        for at in range(0, SECTORS, _BATCH):
            count = min(_BATCH, SECTORS - at)
            user = rng.integers(0, 256, (count, size), np.uint8)
            user[:, :8] = 0
            user[7::8, (2, 6)] = form2
            if at == 0:
                user[16:18, 8:2056] = _descriptors()
            stream.write(to_raw(user, SectorFormat.XA_USER, TrackMode.MODE2, at).data)
    sheet = folder / "film.cue"
    sheet.write_text('FILE "film.bin" BINARY\n  TRACK 01 MODE2/2352\n    INDEX 01 00:00:00\n')
    return sheet


def mixed_image(folder: Path) -> Path:
    """A .cue/.bin such as a game's: files of this Python, film, emptiness, and music; 600 MiB.

    Mode 1: a third files (programs, texts, tables), a quarter noise, as packed film is, a twentieth
    zeros. Audio: the rest, three tones that come and go over a little noise.
    """
    data_sectors = SECTORS * 64 // 100
    rng = np.random.default_rng(2)
    with (folder / "mixed.bin").open("wb") as stream:
        for at, user in enumerate(_mixed(data_sectors, rng)):
            raw = to_raw(user, SectorFormat.USER, TrackMode.MODE1, at * _BATCH)
            stream.write(raw.data[: data_sectors - at * _BATCH])
        for at in range(data_sectors, SECTORS, _BATCH):
            stream.write(_music(at, min(_BATCH, SECTORS - at), rng))
    sheet = folder / "mixed.cue"
    msf = f"{data_sectors // 4500:02}:{data_sectors // 75 % 60:02}:{data_sectors % 75:02}"
    sheet.write_text(
        'FILE "mixed.bin" BINARY\n'
        "  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n"
        f"  TRACK 02 AUDIO\n    INDEX 01 {msf}\n"
    )
    return sheet


def _mixed(sectors: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.uint8]]:
    """(`_BATCH`, 2048) at a time; of 16 such batches 8 are files, 7 noise, 1 is zeros."""
    files = _files()
    for at in range(-(-sectors // _BATCH)):
        if at % 16 == 15:
            yield np.zeros((_BATCH, 2048), np.uint8)
        elif at % 2:
            yield rng.integers(0, 256, (_BATCH, 2048), np.uint8)
        else:
            yield np.frombuffer(next(files), np.uint8).reshape(_BATCH, 2048)


def _files() -> Iterator[bytes]:
    """The bytes of this Python's library, batch after batch, over and over if need be."""
    size = _BATCH * 2048
    kept = bytearray()
    paths = sysconfig.get_paths()
    roots = (paths["stdlib"], paths["platlib"])
    while True:
        for root in roots:
            for path in sorted(Path(root).rglob("*")):
                if path.is_file() and path.suffix in {".py", ".so", ".h", ".txt"}:
                    kept += path.read_bytes()
                while len(kept) >= size:
                    yield bytes(kept[:size])
                    del kept[:size]
        kept += b"again"  # no sector is as it was


def _music(at: int, sectors: int, rng: np.random.Generator) -> bytes:
    time = np.arange(at * 588, (at + sectors) * 588) / 44_100
    swell = 0.5 + 0.5 * np.sin(time * 0.7)
    left = swell * np.sin(time * 1382) + 0.4 * np.sin(time * 2073) + 0.2 * np.sin(time * 5531)
    samples = np.stack((left, 0.8 * left + 0.1 * np.sin(time * 691)), 1) * 9000
    samples += rng.normal(0, 60, samples.shape)
    return samples.astype("<i2").tobytes()
