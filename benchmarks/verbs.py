# SPDX-License-Identifier: Apache-2.0
"""The verbs as a person runs them, start-up included, against the tools that people use."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.discs import RAW_SIZE, raw_image
from benchmarks.table import Row, best, command, gigabytes, peak_memory, workplace

IMAGERCTL = Path(sys.executable).with_name("imagerctl")
MOST_MEMORY = 150e6


def rows() -> Iterator[Row]:
    """verify, convert, compare, and the memory of each."""
    with workplace() as folder:
        sheet = raw_image(folder)
        yield from _verify(sheet)
        yield from _convert(sheet)
        yield from _compare(sheet)
        yield from _memory(sheet)


def _verify(sheet: Path) -> Iterator[Row]:
    image = sheet.with_suffix(".bin")
    times = best(
        {
            "imagerctl": command(IMAGERCTL, "verify", sheet),
            "sha256sum": command("sha256sum", image),
            "cat": command("sh", "-c", f"cat '{image}' > /dev/null"),
        }
    )
    ours = times["imagerctl"]
    yield Row(
        "verify 600 MiB: EDC, P, Q of every sector",
        gigabytes(RAW_SIZE, ours),
        target="≥ 1.2 GB/s",
        reached=RAW_SIZE / ours >= 1.2e9,
    )
    for peer in ("sha256sum", "cat"):
        yield Row("", "", f"{peer} {gigabytes(RAW_SIZE, times[peer])}", times[peer] / ours)


def _convert(sheet: Path) -> Iterator[Row]:
    folder, image = sheet.parent, sheet.with_suffix(".bin")
    out, copy = folder / "out.iso", folder / "copy.bin"
    contestants = {
        "imagerctl": command(IMAGERCTL, "convert", sheet, out),
        "cp": command("cp", image, copy),
    }
    if shutil.which("bchunk"):
        contestants["bchunk"] = command("bchunk", image, sheet, folder / "theirs")
    if shutil.which("iat"):
        # It looks for a volume for ever where there is none: hence the limit.
        contestants["iat"] = command("timeout", "60", "iat", image, folder / "iat.iso")
    outputs = (out, copy, folder / "theirs01.iso", folder / "iat.iso")
    times = best(contestants, fresh=outputs)
    for file in outputs:
        file.unlink(missing_ok=True)
    ours = times["imagerctl"]
    yield Row("convert .cue/.bin to .iso, every EDC checked", gigabytes(RAW_SIZE, ours))
    for peer, target in (("bchunk", 1.5), ("cp", 0.4), ("iat", None)):
        if peer in times:
            figure = f"{peer} {gigabytes(RAW_SIZE, times[peer])}"
            yield Row("", "", figure, times[peer] / ours, target)


def _compare(sheet: Path) -> Iterator[Row]:
    image = sheet.with_suffix(".bin")
    twin = sheet.with_name("twin.cue")
    shutil.copy(image, twin.with_suffix(".bin"))
    twin.write_text(sheet.read_text().replace("disc.bin", "twin.bin"))
    times = best(
        {
            "imagerctl": command(IMAGERCTL, "compare", sheet, twin),
            "cmp": command("cmp", image, twin.with_suffix(".bin")),
        }
    )
    twin.with_suffix(".bin").unlink()
    ours = times["imagerctl"]
    yield Row(
        "compare two images of 600 MiB",
        gigabytes(RAW_SIZE, ours),
        f"cmp {gigabytes(RAW_SIZE, times['cmp'])}",
        times["cmp"] / ours,
    )


def _memory(sheet: Path) -> Iterator[Row]:
    for name, words in {
        "verify": ("verify", sheet),
        "convert to .iso": ("convert", sheet, sheet.with_name("out.iso")),
        "convert to .cue, hashed": ("convert", "--hash", sheet, sheet.with_name("out.cue")),
        "hash": ("hash", sheet),
        "compare": ("compare", sheet, sheet),
    }.items():
        size = peak_memory(IMAGERCTL, *words)
        yield Row(
            f"memory of {name}",
            f"{size / 1e6:.0f} MB",
            target="< 150 MB",
            reached=size < MOST_MEMORY,
        )
