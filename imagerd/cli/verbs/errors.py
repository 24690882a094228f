# SPDX-License-Identifier: Apache-2.0
"""`imagerctl errors`: the sectors of an image that are missing or doubtful, with their stories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode
from imagerd.cli import failures, text
from imagerd.cli.catalogs import catalog_options, day, opened_catalog, stamp
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.records import ErrorRange

_STYLES = {"failed": text.bad, "unread": text.bad, "suspect": text.doubtful}


@dataclass(frozen=True, slots=True)
class _Range:
    """Consecutive sectors, both ends included, with one story. `sense` is KEY/ASC/ASCQ in hex."""

    first: int
    last: int
    count: int
    state: str
    kind: str | None
    sense: str | None
    attempts: int
    first_seen: str | None
    last_seen: str | None
    repaired: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """`image` is an id, or None while the job is at work."""

    name: str
    image: int | None
    job: str
    bad: int
    suspect: int
    ranges: tuple[_Range, ...]


@click.command("errors")
@click.argument("what", metavar="IMAGE")
@click.option("--all", "everything", is_flag=True, help="Also what was bad once and is good now.")
@catalog_options
@output_options
def command(
    what: str,
    everything: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the bad sectors of an image.

    Ranges of LBAs that could not be read (failed), were never tried (unread) or may be wrong
    (suspect), with the drive's sense key, ASC and ASCQ, the number of attempts, and when the
    trouble was seen last. IMAGE is an id, a name, a path, or the id of a job still at work.

    \b
    Examples:
      imagerctl errors 12
      imagerctl errors GAME_1a2b3c4d --all
      imagerctl errors 12 --json | jq -r '.ranges[] | [.first, .last, .sense] | @tsv'

    Exit code: 0 if no sector is bad, 1 if there are some.
    """
    output = Output("errors", as_json=as_json, quiet=quiet)
    with opened_catalog(catalog, config) as opened:
        told, times = _ask(opened, what, everything)
    output.tell(told, lambda result: _lines(result, times))
    failures.finish(ExitCode.FINDING if told.bad or told.suspect else ExitCode.OK)


def _ask(catalog: Catalog, what: str, everything: bool) -> tuple[_Told, dict[int, str]]:
    try:
        image = catalog.images.find(what)
    except BadInput as unknown:
        return _ask_job(catalog, what, everything, unknown)
    ranges = catalog.errors.of_image(image.id)
    counts = image.counts
    told = _told(image.name, image.id, image.job_id, ranges, everything)
    whole = _Told(told.name, told.image, told.job, counts.failed, counts.suspect, told.ranges)
    return whole, _times(ranges)


def _ask_job(
    catalog: Catalog, what: str, everything: bool, unknown: BadInput
) -> tuple[_Told, dict[int, str]]:
    try:
        job = catalog.jobs.find(what)
    except BadInput:
        raise unknown from None
    name = f"job {job.id[:8]}" if job.disc is None else job.disc.name
    ranges = catalog.errors.of_job(job.id)
    return _told(name, None, job.id, ranges, everything), _times(ranges)


def _told(
    name: str, image: int | None, job: str, ranges: tuple[ErrorRange, ...], everything: bool
) -> _Told:
    return _Told(
        name=name,
        image=image,
        job=job,
        bad=sum(r.count for r in ranges if r.state.value in ("failed", "unread")),
        suspect=sum(r.count for r in ranges if r.state.value == "suspect"),
        ranges=tuple(_range(r) for r in ranges if everything or r.state.value in _STYLES),
    )


def _range(r: ErrorRange) -> _Range:
    return _Range(
        first=r.lba,
        last=r.end - 1,
        count=r.count,
        state=r.state.value,
        kind=r.kind,
        sense=None if r.sense is None else "{:02X}/{:02X}/{:02X}".format(*r.sense),
        attempts=r.attempts,
        first_seen=stamp(r.first),
        last_seen=stamp(r.last),
        repaired=r.repaired,
    )


def _times(ranges: tuple[ErrorRange, ...]) -> dict[int, str]:
    """When people read it, times are local."""
    return {r.lba: day(r.last) for r in ranges}


def _lines(told: _Told, times: dict[int, str]) -> Iterator[str]:
    yield text.strong(text.clean(told.name))
    if told.ranges:
        rows = [
            [
                _extent(r),
                text.grouped(r.count),
                _STYLES.get(r.state, text.good)(r.state) + (" (repaired)" if r.repaired else ""),
                r.kind or "",
                r.sense or "",
                text.grouped(r.attempts),
                text.faint(times.get(r.first, "")),
            ]
            for r in told.ranges
        ]
        heads = ["LBA", ">sectors", "state", "why", "sense", ">attempts", "last"]
        yield from text.table(rows, heads)
    yield _conclusion(told)


def _extent(r: _Range) -> str:
    return str(r.first) if r.count == 1 else f"{r.first}–{r.last}"


def _conclusion(told: _Told) -> str:
    parts = []
    if told.bad:
        parts.append(text.bad(text.count(told.bad, "bad sector")))
    if told.suspect:
        parts.append(text.doubtful(text.count(told.suspect, "suspect sector")))
    return (" and ".join(parts) or text.good("No bad sectors")) + "."
