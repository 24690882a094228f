# SPDX-License-Identifier: Apache-2.0
"""`imagerctl list`: the images of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.catalogs import catalog_options, day, opened_catalog, stamp
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.catalog.records import ImageSummary

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])


@dataclass(frozen=True, slots=True)
class _Image:
    """One image. `bad` are sectors that are missing, `suspect` those that may be wrong."""

    id: int
    name: str
    state: str
    medium: str | None
    volume_id: str | None
    format: str
    path: str
    size: int
    sectors: int
    proven: int
    suspect: int
    bad: int
    created: str | None
    job: str


@dataclass(frozen=True, slots=True)
class _Told:
    images: tuple[_Image, ...]


@click.command("list")
@click.argument("words", required=False, metavar="[TEXT]")
@click.option(
    "--state",
    type=click.Choice(["done", "partial"]),
    help="Only images that are complete (done), or that lack sectors (partial).",
)
@click.option("--after", type=_TIME, help="Only images made on that day or later.")
@click.option("--before", type=_TIME, help="Only images made before that day.")
@click.option("-n", "--limit", type=click.IntRange(1), help="The newest so many.")
@catalog_options
@output_options
def command(
    words: str | None,
    state: str | None,
    after: datetime | None,
    before: datetime | None,
    limit: int | None,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the images of the archive.

    Newest first. TEXT is looked for in names, volume ids and titles. Days are of your time zone;
    a time may follow: 2026-05-04T13:30.

    \b
    Examples:
      imagerctl list
      imagerctl list encarta
      imagerctl list --state partial --after 2026-05-01
      imagerctl list --json | jq -r '.images[] | select(.bad > 0) | .path'
    """
    from imagerd.catalog.records import JobState

    output = Output("list", as_json=as_json, quiet=quiet)
    with opened_catalog(catalog, config) as opened:
        found = opened.images.search(
            words,
            after=None if after is None else after.astimezone(),
            before=None if before is None else before.astimezone(),
            state=None if state is None else JobState(state),
            limit=limit,
        )
    times = {image.id: day(image.created) for image in found}
    told = _Told(tuple(_told(image) for image in found))
    output.tell(told, lambda result: _lines(result, times))


def _told(image: ImageSummary) -> _Image:
    return _Image(
        id=image.id,
        name=image.name,
        state=image.state.value,
        medium=None if image.disc is None else image.disc.medium,
        volume_id=None if image.disc is None else image.disc.volume_id,
        format=image.format,
        path=image.path,
        size=image.size,
        sectors=image.counts.total,
        proven=image.counts.proven,
        suspect=image.counts.suspect,
        bad=image.counts.failed,
        created=stamp(image.created),
        job=image.job_id,
    )


def _lines(told: _Told, times: dict[int, str]) -> Iterator[str]:
    if not told.images:
        yield "No image."
        return
    rows = [
        [
            str(image.id),
            text.strong(text.clean(image.name)),
            (image.medium or "").upper(),
            image.format,
            text.size(image.size),
            _state(image),
            text.faint(times[image.id]),
        ]
        for image in told.images
    ]
    heads = [">id", "name", "disc", "format", ">size", "state", "made"]
    yield from text.table(rows, heads, indent=0)


def _state(image: _Image) -> str:
    parts = []
    if image.bad:
        parts.append(text.bad(f"{text.grouped(image.bad)} bad"))
    if image.suspect:
        parts.append(text.doubtful(f"{text.grouped(image.suspect)} suspect"))
    return ", ".join(parts) or text.good("complete")
