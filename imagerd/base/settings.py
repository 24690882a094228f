# SPDX-License-Identifier: Apache-2.0
"""The sections of the configuration, frozen, with the meaning of every key beside it.

The descriptions make the reference in docs/configuration.md.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NAMING_FIELDS = ("label", "disc", "date", "time", "job", "drive", "medium")


class Output(StrEnum):
    """Which container an image becomes."""

    AUTO = "auto"
    ISO = "iso"
    CUE = "cue"


class Duplicates(StrEnum):
    """What to do with a disc that was imaged before."""

    SKIP = "skip"
    AGAIN = "again"
    ASK = "ask"


class Eject(StrEnum):
    """When the tray opens after a job."""

    ALWAYS = "always"
    SUCCESS = "success"
    NEVER = "never"


Effort = Literal["quick", "standard", "thorough", "until-told"]


class Size(int):
    """Bytes; in the file a whole number, or text like ``"20 GiB"``."""


class ArchiveConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[archive]`."""

    folder: Annotated[Path, Meta(description="where finished images go")]
    minimum_free: Annotated[
        Size, Meta(description="a job pauses rather than leave less than this free on the disk")
    ] = Size(2 << 30)
    naming: Annotated[
        str,
        Meta(description="name of an image without suffix; `/` makes folders; see below"),
    ] = "{label}_{disc}"

    def __post_init__(self) -> None:
        _check_naming(self.naming)


class CatalogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[catalog]`."""

    url: Annotated[
        str, Meta(min_length=1, description="SQLAlchemy URL of the database, or a path for SQLite")
    ]


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[daemon]`."""

    state: Annotated[Path, Meta(description="folder of the catalog and of the open jobs' work")]
    runtime: Annotated[Path, Meta(description="folder of sockets and locks, emptied at boot")]
    socket: Annotated[Path, Meta(description="the local API's socket")]
    socket_group: Annotated[
        str | None, Meta(description="group that may use the socket (mode 0660)")
    ] = None
    poll_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="seconds between slow looks at every drive, should an event be lost",
        ),
    ] = 5.0
    watchdog_seconds: Annotated[
        float,
        Meta(gt=0, description="a worker that says nothing for so long is ended, its job resumed"),
    ] = 300.0


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[policy.budget]`: when reading damaged sectors ends."""

    effort: Annotated[
        Effort,
        Meta(
            description="`quick` (5 minutes, 4 reads of a bad sector), `standard` (60 minutes, 16),"
            " `thorough` (8 hours, 64) or `until-told` (no end but being stopped); the other keys"
            " say otherwise"
        ),
    ] = "standard"
    minutes: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="longest time for one disc's damage")
    ] = None
    attempts: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="most reads of one bad sector")
    ] = None
    rounds_without_gain: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="rounds over all bad sectors that may bring nothing"),
    ] = None
    retry_speeds: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...] | None,
        Meta(description="speeds of the rounds beside the full one, multiples of the medium's 1x"),
    ] = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[policy]`: how a disc is treated. Stored with each job as it was then."""

    output: Annotated[
        Output,
        Meta(description="`auto`: .iso where nothing is lost by it, else .cue/.bin"),
    ] = Output.AUTO
    duplicates: Annotated[
        Duplicates,
        Meta(
            description="a disc with an image in the catalog: `skip` (one with bad sectors is tried"
            " again, only those are read), `again`, `ask`"
        ),
    ] = Duplicates.SKIP
    eject: Annotated[Eject, Meta(description="when to open the tray: always, success, never")] = (
        Eject.ALWAYS
    )
    keep_subchannel: Annotated[
        bool, Meta(description="read the raw subchannel and keep it as a .sub file")
    ] = False
    repair_subchannel: Annotated[
        bool,
        Meta(
            description="with the .sub file also a .repaired.sub, its Q put right where it can be"
        ),
    ] = False
    split_tracks: Annotated[bool, Meta(description="one .bin a track instead of one in all")] = (
        False
    )
    budget: Budget = Budget()


class DriveConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[drives."NAME"]`: NAME is a serial number, a by-id name, or an address."""

    read_offset: Annotated[
        int | None,
        Meta(
            description="audio samples to correct by, AccurateRip's sign; `0`: audio stays where"
            " the drive places it. Else imagerd's table tells, if it has the model: drives.md"
        ),
    ] = None
    overread: Annotated[
        bool,
        Meta(
            description="read just outside the sessions of a CD, for audio that the read offset"
            " moves in from there; `false` for a drive that hangs there"
        ),
    ] = True
    enabled: Annotated[bool, Meta(description="false: the daemon leaves this drive alone")] = True
    max_speed: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="never faster, multiple of 1x")
    ] = None


LoaderTable = dict[str, object]  # checked by the loader's own driver


@dataclass(frozen=True, slots=True)
class Config:
    """All sections. `file` is where it was read from, if there was a file."""

    archive: ArchiveConfig
    catalog: CatalogConfig
    daemon: DaemonConfig
    policy: Policy = field(default_factory=Policy)
    drives: Mapping[str, DriveConfig] = field(default_factory=dict)
    loader: Mapping[str, LoaderTable] = field(default_factory=dict)
    file: Path | None = None

    def drive(self, *names: str) -> DriveConfig:
        """The settings under the first of `names` that has any, else the defaults."""
        for name in names:
            if name in self.drives:
                return self.drives[name]
        return DriveConfig()


def _check_naming(template: str) -> None:
    """Raise `ValueError` for a template that could not be filled in."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"naming is not a template ({error})") from None
    for name in names:
        if name not in NAMING_FIELDS:
            raise ValueError(
                f"naming uses {{{name}}}, but there is only {', '.join(NAMING_FIELDS)}"
            )
    if not template.strip("/ ") or ".." in template.split("/"):
        raise ValueError("naming must name a file below the archive's folder")
