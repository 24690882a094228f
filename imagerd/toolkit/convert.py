# SPDX-License-Identifier: Apache-2.0
"""`convert`: write a disc or an image as another image, every EDC checked on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats import WriteOptions, WrittenFile, WrittenImage, write_image
from imagerd.toolkit.checked import CheckedSource
from imagerd.toolkit.ranges import Extent

# Containers whose writer takes the sectors apart, and so checks them at hardly any cost.
_CHECKING = frozenset({".iso"})


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """How to convert.

    `track`: the data track for an .iso, the first one if None. `repair`: correct by parity what
    has a wrong EDC; else it is written as it is. `hash`: digest what is written. `cut_form2`: let
    an .iso lose bytes of form 2 sectors. `sync`: have it on the disk before it gets its name.
    """

    overwrite: bool = False
    split_tracks: bool = False
    track: int | None = None
    repair: bool = False
    hash: bool = False
    cut_form2: bool = False
    sync: bool = False


@dataclass(frozen=True, slots=True)
class ConvertResult:
    """What was written and what is wrong with it; LBAs are the source's.

    `left_out`: what the container cannot hold. `unreadable`: holds filling. `wrong`: written as
    read, though the EDC is wrong. `repaired`: corrected by parity, not as read.
    """

    ok: bool
    target: Path
    format: str
    files: tuple[WrittenFile, ...]
    left_out: tuple[str, ...]
    unreadable: Extent
    wrong: Extent
    repaired: Extent


def convert(
    source: SectorSource, target: Path, options: ConvertOptions | None = None
) -> Task[ConvertResult]:
    """Write `source` as `target`, whose suffix chooses the container.

    Raises `BadInput` for what the container cannot hold, `AlreadyThere` for targets that exist.
    """
    wanted = options or ConvertOptions()
    if target.suffix.lower() in _CHECKING:
        written = yield from write_image(source, target, _write_options(wanted, check=True))
        return _result(written, Extent.of(written.wrong), Extent.of(written.repaired))
    checked = CheckedSource(source, repair=wanted.repair)
    written = yield from write_image(checked, target, _write_options(wanted, check=False))
    return _result(written, checked.wrong, checked.repaired)


def _write_options(wanted: ConvertOptions, *, check: bool) -> WriteOptions:
    return WriteOptions(
        overwrite=wanted.overwrite,
        split_tracks=wanted.split_tracks,
        track=wanted.track,
        hash=wanted.hash,
        check=check,
        repair=check and wanted.repair,
        sync=wanted.sync,
        cut_form2=wanted.cut_form2,
    )


def _result(written: WrittenImage, wrong: Extent, repaired: Extent) -> ConvertResult:
    unreadable = Extent.of(written.bad)
    return ConvertResult(
        ok=not (unreadable or wrong),
        target=written.target,
        format=written.format,
        files=written.files,
        left_out=written.left_out,
        unreadable=unreadable,
        wrong=wrong,
        repaired=repaired,
    )
