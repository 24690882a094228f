# SPDX-License-Identifier: Apache-2.0
"""Fault plans as TOML files; docs/virtual-drive.md describes the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.faults import (
    Approach,
    Better,
    DriveFault,
    DriveTrouble,
    FaultPlan,
    SectorFault,
    What,
)
from imagerd.devices.virtual.surface import Hurt, SurfaceFault

_MAX_SECTORS = 1 << 24  # more than a BD holds on its layers; a plan is a thing to look at


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    """Every table of a plan refuses keys that it does not know."""


class _BetterTable(_Form):
    p: float
    max_speed: int | None = None
    approach: Approach | None = None


class _SectorTable(_Form):
    what: What
    lba: int | list[int]
    count: int = 1
    every: int = 1
    width: int = 1
    times: int | None = None
    sense: str = "03/11/05"
    seconds: float | None = None
    p: float | None = None
    better: list[_BetterTable] = []
    bytes: int = 16
    stable: bool = False
    missed: float = 0.0
    refused: bool = False
    then: Literal["answer", "error", "timeout"] = "answer"


class _DriveTable(_Form):
    what: DriveTrouble
    command: int | None = None
    read: int | None = None
    lba: int | None = None
    seconds: float = 0.0
    times: int = 1


class _SurfaceTable(_Form):
    what: Hurt
    angle: float = 0.0
    inner: Annotated[float, Meta(ge=0, le=60)] = 0.0
    outer: Annotated[float, Meta(ge=0, le=60)] = 60.0
    width: Annotated[float, Meta(ge=0, le=400)] = 0.0
    arc: Annotated[float, Meta(gt=0, le=1)] = 1.0
    slant: float = 0.0
    size: Annotated[float, Meta(gt=0, le=100)] = 1.0
    strength: Annotated[float, Meta(ge=0, le=3000)] = 0.0
    trip: Annotated[float, Meta(ge=0, le=1)] = 0.0


class _PlanFile(_Form):
    seed: int = 0
    sectors: list[_SectorTable] = []
    drive: list[_DriveTable] = []
    surface: list[_SurfaceTable] = []


def load_plan(path: Path) -> FaultPlan:
    """Read a plan; `NotAvailable` if the file cannot be read, `BadInput` if it is no plan."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotAvailable(f"Cannot read the fault plan {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not a fault plan: it is not UTF-8 text.") from error
    return parse_plan(text, str(path))


def parse_plan(text: str, where: str) -> FaultPlan:
    """Parse TOML text; `BadInput` names `where` and the key."""
    try:
        file = msgspec.toml.decode(text, type=_PlanFile)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadInput(f"{where} is not a fault plan: {error}.") from error
    try:
        sectors = tuple(_sector_fault(table) for table in file.sectors)
        drive = tuple(_drive_fault(table) for table in file.drive)
    except ValueError as error:
        raise BadInput(f"{where}: {error}.") from error
    surface = tuple(SurfaceFault(**msgspec.structs.asdict(table)) for table in file.surface)
    return FaultPlan(sectors, drive, file.seed, surface)


def _sector_fault(table: _SectorTable) -> SectorFault:
    starts = [table.lba] if isinstance(table.lba, int) else table.lba
    _check_numbers(table, starts)
    what = table.what
    if what is What.FLAKY and table.p is None:
        raise ValueError(f"a flaky sector needs p, its probability to be read (LBA {starts[0]})")
    if what in (What.SLOW, What.HANG) and table.seconds is None:
        raise ValueError(f"a {what} sector needs seconds (LBA {starts[0]})")
    return SectorFault(
        what=what,
        areas=tuple(range(start, start + table.count) for start in starts),
        every=table.every,
        width=table.width,
        times=table.times,
        sense=parse_sense(table.sense),
        seconds=table.seconds,
        p=1.0 if table.p is None else table.p,
        better=tuple(Better(b.p, b.max_speed, b.approach) for b in table.better),
        bytes=table.bytes,
        stable=table.stable,
        missed=table.missed,
        refused=table.refused,
        then=table.then,
    )


def _check_numbers(table: _SectorTable, starts: list[int]) -> None:
    if not starts:
        raise ValueError("lba is an empty list")
    if not 1 <= table.count <= _MAX_SECTORS:
        raise ValueError(f"count {table.count} is not 1 to {_MAX_SECTORS} (LBA {starts[0]})")
    if not 1 <= table.width <= table.every:
        raise ValueError(f"width {table.width} is not 1 to every = {table.every}")
    if not 1 <= table.bytes <= 2000:
        raise ValueError(f"bytes {table.bytes} is not 1 to 2000")
    for p in (table.p or 0.0, table.missed, *(better.p for better in table.better)):
        if not 0 <= p <= 1:
            raise ValueError(f"{p} is no probability (LBA {starts[0]})")


def _drive_fault(table: _DriveTable) -> DriveFault:
    whens = [when for when in (table.command, table.read, table.lba) if when is not None]
    if len(whens) != 1:
        raise ValueError(f"{table.what} of the drive needs one of command, read and lba")
    return DriveFault(
        what=table.what,
        command=table.command,
        read=table.read,
        lba=table.lba,
        seconds=table.seconds,
        times=table.times,
    )


def parse_sense(text: str) -> Sense:
    """Sense written as key/ASC/ASCQ in hexadecimal: 03/11/05. Raises `ValueError`."""
    parts = text.split("/")
    try:
        key, asc, ascq = (int(part, 16) for part in parts)
    except ValueError:
        raise ValueError(f"sense {text!r} is not of the form 03/11/05") from None
    if not (0 <= key <= 15 and 0 <= asc <= 255 and 0 <= ascq <= 255):
        raise ValueError(f"sense {text!r} is out of range")
    return Sense(key, asc, ascq)
