# SPDX-License-Identifier: Apache-2.0
"""Other people's programs, as anyone calls them on a /dev/srN, and what each has in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.recovery import claims
from benchmarks.recovery.bench import Held
from imagerd.recovery.mapfile import read_mapfile

DATA, AUDIO = ("mode1",), ("audio",)
LOG = "log"
_STAGES = (1, 2, 3)
_READOM = r"Error on sector (\d+) not corrected"
_CDRDAO = r"L-EC error at sector (\d+)"

Judge = Callable[[Path, int], Held]


@dataclass(frozen=True, slots=True)
class Program:
    """Commands that are run one after another in a folder, where DRIVE is the device.

    What they print is in `LOG` there; `judge(folder, sectors)` says what came of it.
    """

    name: str
    commands: tuple[str, ...]
    judge: Judge
    contents: tuple[str, ...] = DATA


def _ddrescue(folder: Path, count: int) -> Held:
    held = claims.written(folder / "copy", count, 2048)
    map_ = folder / "map"
    if not map_.exists():
        return replace(held, good=held.good & False)
    return replace(held, good=claims.by_mapfile(read_mapfile(map_), count, 2048))


def _told_in_log(pattern: str, size: int) -> Judge:
    """All that was written but for the numbers in what the program printed."""

    def judge(folder: Path, count: int) -> Held:
        held = claims.written(folder / "copy", count, size)
        return replace(held, good=held.good & claims.by_numbers(_log(folder), pattern, count))

    return judge


def _log(folder: Path) -> str:
    return (folder / LOG).read_text("utf-8", "replace")


def _safecopy(folder: Path, count: int) -> Held:
    held = claims.written(folder / "copy", count, 2048)
    files = [folder / f"stage{stage}.badblocks" for stage in _STAGES]
    lists = [file.read_text() for file in files if file.exists()]
    aborted = "Aborted by user request" in _log(folder)
    return replace(held, good=held.good & claims.by_stages(lists, count, aborted=aborted))


def _paranoia(folder: Path, count: int) -> Held:
    held = claims.written(folder / "copy", count, 2352)
    return replace(held, good=held.good & claims.by_paranoia(_log(folder), count))


def _swapped(folder: Path, count: int) -> Held:
    """cdrdao writes audio with the high byte first."""
    held = _told_in_log(_CDRDAO, 2352)(folder, count)
    pairs = held.rows.reshape(count, -1, 2)[:, :, ::-1]
    return replace(held, rows=pairs.reshape(count, -1))


_CDRDAO_CALL = "cdrdao read-cd --device DRIVE --driver generic-mmc --datafile copy toc"

PROGRAMS = (
    Program("ddrescue -d -b2048", ("ddrescue -d -b2048 DRIVE copy map",), _ddrescue),
    Program("ddrescue -d -b2048 -r3", ("ddrescue -d -b2048 -r3 DRIVE copy map",), _ddrescue),
    Program("readom -noerror", ("readom dev=DRIVE f=copy -noerror",), _told_in_log(_READOM, 2048)),
    Program(
        "safecopy --stage1, 2, 3",
        tuple(f"safecopy --stage{stage} DRIVE copy" for stage in _STAGES),
        _safecopy,
    ),
    Program(
        "cdrdao read-cd --read-raw",
        (_CDRDAO_CALL.replace("--driver", "--read-raw --driver"),),
        _told_in_log(_CDRDAO, 2352),
    ),
    Program("cdrdao read-cd", (_CDRDAO_CALL,), _swapped, AUDIO),
    Program("cd-paranoia", ("cd-paranoia -e -r -d DRIVE 1 copy",), _paranoia, AUDIO),
)
