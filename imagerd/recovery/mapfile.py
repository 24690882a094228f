# SPDX-License-Identifier: Apache-2.0
"""Map files of GNU ddrescue: which bytes of an image are how good (see its manual).

Positions are bytes of the finished image, so that ddrescue itself, ddrescuelog and their friends
work on image and map together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from imagerd import __version__
from imagerd.base.errors import BadInput
from imagerd.base.files import write_text_atomically
from imagerd.disc.source import SectorState
from imagerd.formats.binary import read_small
from imagerd.recovery.sectormap import SectorMap

_LARGEST = 16 << 20  # bytes of a map: some half a million blocks


class Status(StrEnum):
    """The status characters of a block."""

    NON_TRIED = "?"
    NON_TRIMMED = "*"
    NON_SCRAPED = "/"
    BAD = "-"
    FINISHED = "+"


@dataclass(frozen=True, slots=True)
class Block:
    """`size` bytes from `pos`."""

    pos: int
    size: int
    status: Status


@dataclass(frozen=True, slots=True)
class MapFile:
    """A map file. `current` is where its writer was, `phase` what it did ("?*/-FG+")."""

    blocks: tuple[Block, ...]
    current: int = 0
    phase: str = "+"


_STATUS = {
    SectorState.UNREAD: Status.NON_TRIED,
    SectorState.SUSPECT: Status.BAD,
    SectorState.READ: Status.FINISHED,
    SectorState.PROVEN: Status.FINISHED,
}


def image_blocks(sectors: SectorMap, ranges: Iterable[range], size: int) -> Iterator[Block]:
    """Blocks of an image that holds the LBAs of `ranges` one after another, `size` bytes each."""
    pos, last = 0, None
    for part in ranges:
        for run, status in _statuses(sectors, part):
            block = Block(pos, len(run) * size, status)
            pos += block.size
            if last is not None and last.status is status:
                last = Block(last.pos, last.size + block.size, status)
                continue
            if last is not None:
                yield last
            last = block
    if last is not None:
        yield last


def _statuses(sectors: SectorMap, part: range) -> Iterator[tuple[range, Status]]:
    at = part.start
    while at < part.stop:
        state = sectors.state(at)
        run = sectors.find((state,), at, part.stop)
        assert run is not None
        if state is SectorState.FAILED:
            yield from _failed(sectors, run)
        else:
            yield run, _STATUS[state]
        at = run.stop


def _failed(sectors: SectorMap, run: range) -> Iterator[tuple[range, Status]]:
    """Failed alone is bad; failed only in company is not yet scraped."""
    at = run.start
    for story in sectors.errors.within(run.start, run.stop):
        if at < story.lba:
            yield range(at, story.lba), Status.NON_TRIMMED
        alone = Status.BAD if story.alone else Status.NON_SCRAPED
        yield range(story.lba, story.end), alone
        at = story.end
    if at < run.stop:
        yield range(at, run.stop), Status.NON_TRIMMED


def render(found: MapFile, command: str = "") -> str:
    """The text of a map file."""
    lines = [
        f"# Mapfile. Created by imagerd version {__version__}",
        *([f"# Command line: {command}"] if command else []),
        "# current_pos  current_status  current_pass",
        f"0x{found.current:08X}     {found.phase}               1",
        "#      pos        size  status",
        *(f"0x{block.pos:08X}  0x{block.size:08X}  {block.status}" for block in found.blocks),
    ]
    return "\n".join(lines) + "\n"


def write_mapfile(
    path: Path, blocks: Iterable[Block], *, command: str = "", overwrite: bool = False
) -> None:
    """Write a map file. Raises `AlreadyThere` rather than replace one unasked."""
    listed = tuple(blocks)
    unfinished = any(block.status is not Status.FINISHED for block in listed)
    phase = "-" if unfinished else "+"
    write_text_atomically(path, render(MapFile(listed, 0, phase), command), overwrite=overwrite)


def read_mapfile(path: Path) -> MapFile:
    """Read one, ddrescue's or ours. Raises `BadInput` with the line that makes no sense."""
    lines = read_small(path, "map file", _LARGEST).decode("utf-8", "replace").splitlines()
    rows = [
        (number, fields)
        for number, line in enumerate(lines, 1)
        if (fields := line.partition("#")[0].split())
    ]
    if not rows:
        raise BadInput(f"{path} is empty; a ddrescue map file was expected.")
    (line, head), *rest = rows
    try:
        current, phase = int(head[0], 0), head[1]
    except (ValueError, IndexError):
        raise _senseless(path, line) from None
    blocks = [_block(path, line, fields) for line, fields in rest]
    for before, after in pairwise(blocks):
        if before.pos + before.size != after.pos:
            raise BadInput(f"{path}: the blocks at {before.pos:#x} and {after.pos:#x} do not meet.")
    return MapFile(tuple(blocks), current, phase)


def _block(path: Path, line: int, fields: list[str]) -> Block:
    try:
        pos, size, status = fields  # another number of fields is a ValueError, too
        block = Block(int(pos, 0), int(size, 0), Status(status))
    except ValueError:
        raise _senseless(path, line) from None
    if block.pos < 0 or block.size <= 0:
        raise _senseless(path, line)
    return block


def _senseless(path: Path, line: int) -> BadInput:
    return BadInput(f"{path}, line {line}: not as a ddrescue map file has it.")
