# SPDX-License-Identifier: Apache-2.0
"""`imagerctl report`: the report of a job as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from imagerd.base.errors import BadInput
from imagerd.cli import pictures, text
from imagerd.cli.catalogs import catalog_options
from imagerd.cli.output import Output, output_options


@dataclass(frozen=True, slots=True)
class _Told:
    """`bad`: sectors that are missing or doubtful."""

    name: str
    written: Path
    sectors: int
    bad: int


@click.command("report")
@click.argument("what", metavar="IMAGE-OR-JOB")
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The HTML file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@catalog_options
@output_options
def command(
    what: str,
    target: Path,
    overwrite: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the report of a job as one HTML file.

    The map of the surface, what to try next, every bad range with its sense, attempts and the
    files it hits, speed and errors over time, passes, drive, digests. It needs no server, no
    script and no network. The archive writes the same file beside each image when it is made; this
    writes it anew: of a job still at work, as it stands.

    IMAGE-OR-JOB is an image with its report (NAME.json) beside it, that report, the folder of a
    job, or an id or name that the catalog knows.

    \b
    Examples:
      imagerctl report 12 -o report.html
      imagerctl report 3f2a -o so-far.html --overwrite
    """
    from imagerd.base.files import write_text_atomically
    from imagerd.recovery.picture.page import page
    from imagerd.recovery.sectormap import NOT_GOOD
    from imagerd.toolkit.beside import map_beside

    output = Output("report", as_json=as_json, quiet=quiet)
    place = pictures.find(what, catalog, config)
    if place.job is None and place.report is None:
        mapped = place.image is not None and map_beside(place.image) is not None
        way = "`imagerctl surface` draws it" if mapped else "name an image of the archive, or a job"
        raise BadInput(f"{what} has no report of imagerd beside it; {way}.")
    subject = pictures.load(place)
    report = subject.report
    assert report is not None
    hit = pictures.files_hit(place, report)
    write_text_atomically(
        target, page(report, subject.sectors, subject.layout, hit), overwrite=overwrite
    )
    bad = subject.sectors.count(*NOT_GOOD)
    output.tell(_Told(subject.name, target, len(subject.sectors), bad), _lines)


def _lines(told: _Told) -> Iterator[str]:
    said = text.count(told.bad, "bad sector") if told.bad else "no bad sectors"
    yield f"{text.clean(str(told.written))}  {text.clean(told.name)}, {said}"
