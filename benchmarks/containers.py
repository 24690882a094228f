# SPDX-License-Identifier: Apache-2.0
"""Containers against the specialist of each: CHD, ECM, CSO; whole processes, start-up included.

ECM and CSO get 600 MiB of noise in valid sectors, where nothing is saved by luck; CHD a mixed disc.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.discs import RAW_SIZE, mixed_image, raw_image
from benchmarks.table import Row, best, command, gigabytes, peak_memory, workplace

IMAGERCTL = Path(sys.executable).with_name("imagerctl")
MOST_MEMORY = 150e6
_ROUNDS = 2  # each takes minutes

_ECM = "import pyecm, sys; getattr(pyecm, sys.argv[1])(*sys.argv[2:])"
# The peer of CSO: zlib alone on the same blocks, in as many processes as there are cores.
_ZLIB = """
import multiprocessing, os, sys, zlib
def pack(span):
    with open(sys.argv[1], "rb") as stream:
        stream.seek(span.start)
        for _ in range(span.start, span.stop, 2048):
            zlib.compress(stream.read(2048), 9, wbits=-12)
cores = len(os.sched_getaffinity(0))
size = os.path.getsize(sys.argv[1]) // 2048
spans = [range(size * i // cores * 2048, size * (i + 1) // cores * 2048) for i in range(cores)]
multiprocessing.Pool(cores).map(pack, spans)
"""


def rows() -> Iterator[Row]:
    """CHD, then ECM, then CSO."""
    with workplace() as folder:
        yield from _chd(mixed_image(folder))
    with workplace() as folder:
        sheet = raw_image(folder)
        yield from _ecm(sheet)
    with workplace() as folder:
        yield from _cso(mixed_image(folder))


def _chd(sheet: Path) -> Iterator[Row]:
    folder = sheet.parent
    ours, fast, theirs = (folder / name for name in ("ours.chd", "fast.chd", "theirs.chd"))
    yield from _memory("convert to .chd", "convert", sheet, ours)
    chdman = shutil.which("chdman")
    if chdman is None:
        return
    making = [chdman, "createcd", "-f", "-np", "3", "-i", sheet, "-o", theirs]
    times = best(
        {
            "imagerctl": command(IMAGERCTL, "convert", "--force", sheet, ours),
            "fast": command(IMAGERCTL, "convert", "--fast", sheet, fast),
            "chdman": command(*making),
        },
        1,
    )
    peer = f"chdman createcd -np 3 {gigabytes(RAW_SIZE, times['chdman'])}"
    for name, file, speed, most in (
        ("imagerctl", ours, 1.5, 1.0),
        ("fast", fast, 10.0, 1.1),
    ):
        preset = "" if name == "imagerctl" else " --fast"
        yield Row(
            f"convert{preset} .cue/.bin to .chd, every EDC checked",
            gigabytes(RAW_SIZE, times[name]),
            peer,
            times["chdman"] / times[name],
            speed,
        )
        size = file.stat().st_size / theirs.stat().st_size
        yield Row(
            f"its size, {file.stat().st_size / 1e6:.1f} MB",
            f"{size:.4f} of chdman's",
            target=f"≤ {most:g}",
            reached=size <= most,
        )
    yield from _chd_back(theirs, chdman)


def _chd_back(chd: Path, chdman: str) -> Iterator[Row]:
    folder = chd.parent
    outs = [folder / name for name in ("out.cue", "out.bin", "their.cue", "their.bin")]
    verify = best(
        {
            "imagerctl": command(IMAGERCTL, "verify", chd),
            "chdman": command(chdman, "verify", "-i", chd),
        },
        _ROUNDS,
    )
    extract = best(
        {
            "imagerctl": command(IMAGERCTL, "convert", chd, outs[0]),
            "chdman": command(chdman, "extractcd", "-f", "-i", chd, "-o", outs[2], "-ob", outs[3]),
        },
        _ROUNDS,
        fresh=outs,
    )
    for name, times in (("verify chdman's .chd", verify), (".chd to .cue/.bin", extract)):
        yield Row(
            name,
            gigabytes(RAW_SIZE, times["imagerctl"]),
            f"chdman {gigabytes(RAW_SIZE, times['chdman'])}",
            times["chdman"] / times["imagerctl"],
            3.0,
        )
    yield from _memory("verify of a .chd", "verify", chd)
    yield from _memory("convert of a .chd", "convert", "--force", chd, outs[0])


def _ecm(sheet: Path) -> Iterator[Row]:
    folder, image = sheet.parent, sheet.with_suffix(".bin")
    packed, back = folder / "ours.bin.ecm", folder / "back.cue"
    theirs, their_back = folder / "theirs.ecm", folder / "theirs.bin"
    peer = importlib.util.find_spec("pyecm") is not None  # the C of ecm-tools, of PyPI
    for name, ours, their in (
        ("encode", (sheet, packed), ("encode", image, theirs)),
        ("decode", (packed, back), ("decode", theirs, their_back)),
    ):
        contestants = {"imagerctl": command(IMAGERCTL, "convert", "--force", *ours)}
        if peer:
            contestants["ecm-tools"] = command(sys.executable, "-c", _ECM, *their)
        times = best(contestants, _ROUNDS)
        rate = gigabytes(RAW_SIZE, times["imagerctl"])
        if peer:
            figure = f"ecm-tools {gigabytes(RAW_SIZE, times['ecm-tools'])}"
            yield Row(f"ECM {name}", rate, figure, times["ecm-tools"] / times["imagerctl"], 3.0)
        else:
            yield Row(f"ECM {name}", rate)
    yield from _memory("convert to .ecm", "convert", "--force", sheet, packed)
    yield from _memory("verify of an .ecm", "verify", packed)


def _cso(sheet: Path) -> Iterator[Row]:
    folder = sheet.parent
    image, out = folder / "disc.iso", folder / "out.cso"
    command(IMAGERCTL, "convert", "--track", "1", sheet, image)()
    times = best(
        {
            "imagerctl": command(IMAGERCTL, "convert", image, out),
            "zlib": command(sys.executable, "-c", _ZLIB, image),
        },
        _ROUNDS,
        fresh=(out,),
    )
    size = image.stat().st_size
    yield Row(
        "convert .iso to .cso, deflate at level 9",
        gigabytes(size, times["imagerctl"]),
        f"zlib alone, on all cores {gigabytes(size, times['zlib'])}",
        times["zlib"] / times["imagerctl"],
        0.83,
    )
    yield from _memory("convert to .cso", "convert", "--force", image, out)


def _memory(name: str, *words: str | Path) -> Iterator[Row]:
    size = peak_memory(IMAGERCTL, *words)
    yield Row(
        f"memory of {name}",
        f"{size / 1e6:.0f} MB",
        target="< 150 MB",
        reached=size < MOST_MEMORY,
    )
