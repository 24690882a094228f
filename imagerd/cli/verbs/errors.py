# SPDX-License-Identifier: Apache-2.0
"""`imagerctl errors`: the sectors of an image that are missing or doubtful, with their stories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
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
    from imagerd.toolkit.filehits import FileHit

_STYLES = {"failed": text.bad, "unread": text.bad, "suspect": text.doubtful}


@dataclass(frozen=True, slots=True)
class _Range:
    """Consecutive sectors, both ends included, with one story. `sense` is KEY/ASC/ASCQ in hex.

    `files` are the files hit, if they were asked for.
    """

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
    files: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """`image` is an id, or None while the job is at work.

    `files`, if asked for, are those that bad or suspect sectors hit; `problems` what is wrong with
    the image's file systems, so that files may be missing there.
    """

    name: str
    image: int | None
    job: str
    bad: int
    suspect: int
    ranges: tuple[_Range, ...]
    files: tuple[FileHit, ...] | None = None
    problems: tuple[str, ...] | None = None


@click.command("errors")
@click.argument("what", metavar="IMAGE")
@click.option("--all", "everything", is_flag=True, help="Also what was bad once and is good now.")
@click.option("--files", is_flag=True, help="Also the files that the bad sectors hit.")
@catalog_options
@output_options
def command(
    what: str,
    everything: bool,
    files: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the bad sectors of an image.

    Ranges of LBAs that could not be read (failed), were never tried (unread) or may be wrong
    (suspect), with the drive's sense key, ASC and ASCQ, the number of attempts, and when the
    trouble was seen last. IMAGE is an id, a name, a path, or the id of a job still at work.

    With --files the image is opened, and the files, directories and descriptors that bad or
    suspect sectors lie in are named, as far as its file systems (ISO 9660, Joliet) can be read.

    \b
    Examples:
      imagerctl errors 12
      imagerctl errors GAME_1a2b3c4d --all
      imagerctl errors 12 --files
      imagerctl errors 12 --json | jq -r '.ranges[] | [.first, .last, .sense] | @tsv'

    Exit code: 0 if no sector is bad, 1 if there are some.
    """
    output = Output("errors", as_json=as_json, quiet=quiet)
    with opened_catalog(catalog, config) as opened:
        told, times = _ask(opened, what, everything)
        if files:
            told = _with_files(opened, told)
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


def _with_files(catalog: Catalog, told: _Told) -> _Told:
    if told.image is None:
        raise BadInput(f"{told.name} has no image yet; ask for its files when it is done.")
    from imagerd.cli.accounts import account_of, shift_of
    from imagerd.formats import open_image
    from imagerd.toolkit.account import accounted
    from imagerd.toolkit.filehits import file_hits

    known = catalog.images.find(str(told.image))
    with closing(open_image(Path(known.path))) as image:
        account = account_of(image, known, catalog.errors.of_image(known.id))
        bad = [range(r.first, r.last + 1) for r in told.ranges if r.state in _STYLES]
        hits = file_hits(accounted(image, account), bad, shift=shift_of(image, known))
    by_range = dict(zip(bad, hits.by_range, strict=True))
    ranges = tuple(
        replace(r, files=by_range.get(range(r.first, r.last + 1), ())) for r in told.ranges
    )
    return replace(told, ranges=ranges, files=hits.files, problems=hits.problems)


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
    yield from _files(told)
    yield _conclusion(told)


def _files(told: _Told) -> Iterator[str]:
    if told.files:
        heads = [">bad", ">of", "file"]
        yield from text.table(
            [[text.grouped(f.bad), text.grouped(f.sectors), text.clean(f.path)]
             for f in told.files],
            heads,
        )  # fmt: skip
    elif told.files is not None and told.bad + told.suspect:
        yield "No file that is known is hit."
    for problem in told.problems or ():
        yield text.doubtful(text.clean(problem))


def _extent(r: _Range) -> str:
    return str(r.first) if r.count == 1 else f"{r.first}–{r.last}"


def _conclusion(told: _Told) -> str:
    parts = []
    if told.bad:
        parts.append(text.bad(text.count(told.bad, "bad sector")))
    if told.suspect:
        parts.append(text.doubtful(text.count(told.suspect, "suspect sector")))
    return (" and ".join(parts) or text.good("No bad sectors")) + "."
