# SPDX-License-Identifier: Apache-2.0
"""What `surface` and `report` are about: a job's folder, an image with its report or map beside it,
a report, or what the catalog knows by a name or an id.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ImagerdError
from imagerd.cli.catalogs import opened_catalog

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.records import Job
    from imagerd.disc.layout import Layout
    from imagerd.recovery.picture.page import FilesHit
    from imagerd.recovery.picture.terminal import Terminal
    from imagerd.recovery.report import Report
    from imagerd.recovery.sectormap import SectorMap

_IMAGES = (".cue", ".iso")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject is: the folder of a job, a report, or an image with a map beside it."""

    job: Path | None = None
    report: Path | None = None
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn. `report` is None where only a map file is known."""

    name: str
    sectors: SectorMap
    layout: Layout
    report: Report | None = None


def find(what: str, catalog: str | None, config: Path | None, *, at_work: bool = False) -> Place:
    """Where `what` is. `at_work`: the job is wanted, even if it has an image.

    Raises `BadInput` where nothing is known.
    """
    path = Path(what)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _at_file(path)
    with opened_catalog(catalog, config) as opened:
        return _in_catalog(opened, what, at_work)


def load(place: Place) -> Subject:
    """Read what is known there."""
    if place.job is not None:
        return _of_job(place.job)
    if place.report is not None:
        from imagerd.recovery.report import read_report
        from imagerd.recovery.reported import layout_of, map_of

        report = read_report(place.report)
        name = report.name or place.report.stem
        return Subject(name, map_of(report), layout_of(report), report)
    from imagerd.formats import open_image
    from imagerd.toolkit.beside import map_beside
    from imagerd.toolkit.maps import sector_map_of

    assert place.image is not None
    file = map_beside(place.image)
    if file is None:
        raise BadInput(
            f"There is no report and no map file beside {place.image}: nothing is known of how it"
            " was read; name an image of the archive, a job, or an image with a ddrescue map."
        )
    with closing(open_image(place.image)) as image:
        return Subject(place.image.stem, sector_map_of(image, file), image.layout)


def files_hit(place: Place, report: Report) -> FilesHit:
    """Which files the bad sectors hit, if the image lies beside its report."""
    from imagerd.recovery.picture.page import no_files

    path = _image_of(place, report)
    if path is None or not report.bad:
        return no_files
    from imagerd.cli.accounts import Accounts
    from imagerd.formats import open_image
    from imagerd.recovery.reported import layout_of
    from imagerd.toolkit.account import accounted
    from imagerd.toolkit.filehits import table_of

    try:
        with closing(open_image(path)) as image:
            source = accounted(image, Accounts(no_catalog=True).of(image)[0])
            shift = _shift(path, layout_of(report))
            return table_of(source, shift).hit
    except ImagerdError:  # an image that was changed or lost since
        return no_files


def terminal() -> Terminal:
    """The terminal that stdout is, as far as its environment tells."""
    import shutil

    from imagerd.recovery.picture.terminal import Depth, Terminal

    size = shutil.get_terminal_size()
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    plain |= "utf" not in (sys.stdout.encoding or "").lower()
    if plain or click.get_current_context().color is False:
        depth = Depth.PLAIN
    elif os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        depth = Depth.TRUE
    elif "256color" in os.environ.get("TERM", ""):
        depth = Depth.INDEXED
    else:
        depth = Depth.PLAIN
    return Terminal(size.columns, size.lines - 1, depth)


def _in_folder(folder: Path) -> Place:
    if (folder / "job.json").is_file():
        return Place(job=folder)
    reports = [file for file in sorted(folder.glob("*.json")) if _is_report(file)]
    if len(reports) != 1:
        raise BadInput(
            f"{folder} is no job's folder and holds {len(reports) or 'no'} reports of images; name"
            " an image."
        )
    return Place(report=reports[0])


def _at_file(path: Path) -> Place:
    if path.suffix.lower() == ".json":
        return Place(report=path)
    beside = path.with_suffix(".json")
    return Place(report=beside) if _is_report(beside) else Place(image=path)


def _is_report(file: Path) -> bool:
    """Other programs' files end in .json, too."""
    from imagerd.recovery.report import read_report

    try:
        read_report(file)
    except BadInput:
        return False
    return True


def _in_catalog(catalog: Catalog, what: str, at_work: bool) -> Place:
    from imagerd.catalog.states import OPEN

    try:
        image = catalog.images.find(what)
    except BadInput as unknown:
        try:
            job = catalog.jobs.find(what)
        except BadInput:
            raise unknown from None
        images = catalog.images.of_job(job.id)
        path = images[0].path if images else None
    else:
        job, path = catalog.jobs.get(image.job_id), image.path
    folder = _folder_of(job)
    if folder is not None and (at_work or path is None or job.state in OPEN):
        return Place(job=folder)
    if path is None or at_work:
        raise BadInput(f"Job {job.id[:8]} is {job.state}, and its work is cleared away.")
    return _at_file(Path(path))


def _folder_of(job: Job) -> Path | None:
    folder = None if job.workspace is None else Path(job.workspace)
    return folder if folder is not None and (folder / "job.json").is_file() else None


def _of_job(folder: Path) -> Subject:
    from imagerd.recovery.looking import Look
    from imagerd.recovery.report import build_report

    with Look(folder) as look:
        report = build_report(look, history=look.history)
        return Subject(report.name or folder.name, look.map, look.layout, report)


def _image_of(place: Place, report: Report) -> Path | None:
    if place.report is None:
        return None
    names = (file.name for file in report.files if file.name.endswith(_IMAGES))
    candidates = [place.report.with_name(Path(name).name) for name in names]
    candidates += [place.report.with_suffix(suffix) for suffix in _IMAGES]
    return next((path for path in candidates if path.is_file()), None)


def _shift(path: Path, layout: Layout) -> int:
    """The disc's address of the first sector of an .iso, which may be a later track of a CD."""
    if path.suffix != ".iso" or not layout.is_cd:
        return 0
    return next((track.index1 for track in layout.tracks if track.is_data), 0)
