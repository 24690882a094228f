# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of sectors, one process, in memory: ``python -m benchmarks.sectors``.

Peers in the same run: ``zlib.crc32`` over the same bytes (one C loop over memory), and, where it
is installed, bchunk turning the same sectors into an .iso (which checks nothing).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import table
from imagerd.disc.layout import Control, SectorFormat, TrackMode, single_track
from imagerd.disc.source import Bytes2D
from imagerd.sectors import convert, edc, parity
from imagerd.sectors.subgen import build_sub
from imagerd.sectors.verify import check_data, edc_check

SECTORS = 40_000  # 94 MB
BATCH = 1024
RUNS = 5
TARGET_CHECK = 1000.0  # MB/s of EDC + P + Q in one process


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: megabytes (10^6) of raw sectors a second."""

    name: str
    rate: float


def best_of(work: Callable[[], object], size: int, runs: int = RUNS) -> float:
    """MB/s of the fastest run."""
    fastest = float("inf")
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - begin)
    return size / fastest / 1e6


def batches(data: Bytes2D) -> Iterator[tuple[int, Bytes2D]]:
    for at in range(0, len(data), BATCH):
        yield at, data[at : at + BATCH]


def _each(data: Bytes2D, work: Callable[[Bytes2D], None]) -> None:
    """Do `work`, which writes what is there already, on every batch."""
    for _, part in batches(data):
        work(part)


def make_sectors(count: int = SECTORS) -> Bytes2D:
    data = np.random.default_rng(1).integers(0, 256, (count, 2048), dtype=np.uint8)
    return convert.to_raw(data, SectorFormat.USER, TrackMode.MODE1, 0)


def kernels(raw: Bytes2D) -> Iterator[Row]:
    user = convert.user_data(raw, TrackMode.MODE1)
    out = np.empty((BATCH, 2048), np.uint8)
    layout = single_track(len(raw), TrackMode.MODE1)
    assert layout.tracks[0].control is Control.DATA
    works: dict[str, Callable[[], object]] = {
        "check: EDC + P + Q": lambda: [check_data(part, at) for at, part in batches(raw)],
        "check without parity": lambda: [
            check_data(part, at, parity=False) for at, part in batches(raw)
        ],
        "EDC alone": lambda: [edc_check(part) for _, part in batches(raw)],
        "EDC, and user data out": lambda: [
            (edc_check(part), convert.user_data(part, TrackMode.MODE1, out[: len(part)]))
            for _, part in batches(raw)
        ],
        "P + Q syndromes": lambda: [parity.p_q_ok(part) for _, part in batches(raw)],
        "P + Q generated": lambda: _each(raw, parity.generate),
        "EDC generated": lambda: _each(raw, lambda part: edc.write_edc(part, edc.MODE1_RANGE)),
        "raw from user data": lambda: [
            convert.to_raw(part, SectorFormat.USER, TrackMode.MODE1, at)
            for at, part in batches(user)
        ],
        "subchannel made (for so much main data)": lambda: [
            build_sub(layout, at, len(part)) for at, part in batches(raw)
        ],
    }
    for name, work in works.items():
        yield Row(name, best_of(work, raw.nbytes))


def peers(raw: Bytes2D) -> Iterator[Row]:
    yield Row("zlib.crc32", best_of(lambda: zlib.crc32(raw.data), raw.nbytes))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw.tofile(folder / "disc.bin")
        sheet = 'FILE "disc.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'
        (folder / "disc.cue").write_text(sheet)
        if shutil.which("bchunk") is not None:
            work = _command(["bchunk", "disc.bin", "disc.cue", "out"], folder)
            yield Row("bchunk", best_of(work, raw.nbytes, 3))


def _command(command: list[str], folder: Path) -> Callable[[], object]:
    def work() -> None:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=300)

    return work


def rows() -> Iterator[table.Row]:
    """The same for the table of ``python -m benchmarks``."""
    raw = make_sectors()
    against = next(peers(raw))
    for row in kernels(raw):
        is_check = row.name.startswith("check: ")
        yield table.Row(
            row.name,
            f"{row.rate:.0f} MB/s",
            f"{against.name} {against.rate:.0f} MB/s",
            row.rate / against.rate,
            reached=row.rate >= TARGET_CHECK if is_check else None,
            target=f"≥ {TARGET_CHECK:.0f} MB/s" if is_check else None,
        )


def main() -> None:
    raw = make_sectors()
    against = list(peers(raw))
    print(f"{len(raw)} raw sectors, one process, best of {RUNS}; MB/s of raw, ratio to each peer")
    heads = "".join(f"{f'/ {peer.name}':>14}" for peer in against)
    print(f"{'':<40}{'MB/s':>8}{heads}")
    for peer in against:
        print(f"{peer.name:<40}{peer.rate:>8.0f}")
    for row in kernels(raw):
        ratios = "".join(f"{row.rate / peer.rate:>14.2f}" for peer in against)
        note = ""
        if row.name.startswith("check: "):
            note = (
                f"   target {TARGET_CHECK:.0f}: {'met' if row.rate >= TARGET_CHECK else 'MISSED'}"
            )
        print(f"{row.name:<40}{row.rate:>8.0f}{ratios}{note}")


if __name__ == "__main__":
    main()
