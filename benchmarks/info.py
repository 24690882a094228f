# SPDX-License-Identifier: Apache-2.0
"""`imagerctl info` as a process, start-up included: 600 MiB of every container, and a collection.

What other programs pack is packed by them, as fast as they can; those that are not there are left
out. bzip2 has no target: it says nowhere how long its content is, so that all of it is unpacked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.discs import iso_image, raw_image, xa_image
from benchmarks.table import Row, best, command, peak_memory, workplace

IMAGERCTL = Path(sys.executable).with_name("imagerctl")
_MOST = 0.200  # seconds
_SHEETS = 10_000
_MOST_SHEETS = 60.0
_MOST_MEMORY = 150e6
_SECTORS = 64  # of each disc of the collection
_AREA = 45_000  # LBA of a GD-ROM's second area

# Packed by another program: what it is called after, and how.
_PACKERS: dict[str, tuple[str, ...]] = {
    ".gz": ("gzip", "-1", "-c"),
    ".zst": ("zstd", "-q", "-1", "-c"),
    ".xz": ("xz", "-0", "-T0", "-c"),
    ".bz2": ("bzip2", "-1", "-c"),
}


def rows() -> Iterator[Row]:
    """CDs, then .iso and what packs it, then many at once."""
    yield from _start()
    with workplace() as folder:
        yield from _cds(raw_image(folder))
    with workplace() as folder:
        yield from _film(xa_image(folder))
    with workplace() as folder:
        yield from _isos(iso_image(folder))
    with workplace() as folder:
        yield from _collection(folder)


def _start() -> Iterator[Row]:
    """What no image can be told in less than."""
    time = best({"": command(sys.executable, "-c", "import click, numpy")})[""]
    yield Row("importing click and numpy, which info needs", f"{1000 * time:.0f} ms")


def _cds(sheet: Path) -> Iterator[Row]:
    folder = sheet.parent
    yield from _told(sheet, ".cue")
    for name in ("out.toc", "out.ccd", "out.nrg", "out.mds", "out.bin.ecm", "out.chd"):
        fast = ("--fast",) if name.endswith(".chd") else ()
        command(IMAGERCTL, "convert", *fast, sheet, folder / name)()
        what = "mode 1" if name.endswith(".ecm") else ""
        yield from _told(folder / name, name.removeprefix("out"), what)
        for file in folder.glob("out*"):
            file.unlink()
    yield from _told(_gd(sheet), ".gdi")


def _gd(sheet: Path) -> Path:
    """The same bytes as a GD-ROM: an area of one track, then, from LBA 45000 on, the other."""
    (sheet.parent / "track01.bin").write_bytes(bytes(300 * 2352))
    gdi = sheet.with_suffix(".gdi")
    gdi.write_text(f"2\n1 0 0 2352 track01.bin 0\n2 {_AREA} 4 2352 disc.bin 0\n")
    return gdi


def _film(sheet: Path) -> Iterator[Row]:
    packed = sheet.with_name("out.bin.ecm")
    yield from _told(sheet, ".cue", "mode 2")
    command(IMAGERCTL, "convert", sheet, packed)()
    yield from _told(packed, ".bin.ecm", "mode 2")


def _isos(image: Path) -> Iterator[Row]:
    yield from _told(image, ".iso")
    for suffix in (".cso", ".zso"):
        packed = image.with_suffix(suffix)
        command(IMAGERCTL, "convert", "--fast", image, packed)()
        yield from _told(packed, suffix)
        packed.unlink()
    for suffix, words in _PACKERS.items():
        if not shutil.which(words[0]):
            continue
        packed = image.with_name(f"{image.name}{suffix}")
        with packed.open("wb") as stream:
            subprocess.run([*words, image], check=True, stdout=stream)
        yield from _told(packed, f".iso{suffix}", target=suffix != ".bz2")
        packed.unlink()


def _told(image: Path, suffix: str, what: str = "", *, target: bool = True) -> Iterator[Row]:
    work: Callable[[], None] = command(IMAGERCTL, "info", image)
    time = best({"": work}, 5 if target else 1)[""]
    yield Row(
        f"info of a {suffix} of 600 MiB" + (f", {what}" if what else ""),
        f"{1000 * time:.0f} ms",
        target="< 200 ms" if target else None,
        reached=time < _MOST if target else None,
    )


def _collection(folder: Path) -> Iterator[Row]:
    sheet = raw_image(folder)
    with sheet.with_suffix(".bin").open("rb") as stream:
        content = stream.read(_SECTORS * 2352)
    sheet.with_suffix(".bin").unlink()
    lines = sheet.read_text()
    sheet.unlink()
    sheets = []
    for number in range(_SHEETS):
        name = f"disc{number:05}"
        (folder / f"{name}.bin").write_bytes(content)
        sheets.append(folder / f"{name}.cue")
        sheets[-1].write_text(lines.replace("disc.bin", f"{name}.bin"))
    names = folder / "names"
    names.write_text("".join(f"{sheet}\n" for sheet in sheets))
    listed = (IMAGERCTL, "info", "--json", "--files-from", names)
    for what, words in (("a list", listed), ("a folder", (IMAGERCTL, "info", "--json", folder))):
        time = best({"": command(*words)}, 1)[""]
        yield Row(
            f"info --json of {_SHEETS:,} sheets, named by {what}",
            f"{time:.1f} s",
            target="< 60 s",
            reached=time < _MOST_SHEETS,
        )
    size = peak_memory(*listed)
    yield Row(
        "memory of that, of each process",
        f"{size / 1e6:.0f} MB",
        target="< 150 MB",
        reached=size < _MOST_MEMORY,
    )
