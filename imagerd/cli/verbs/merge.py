# SPDX-License-Identifier: Apache-2.0
"""`imagerctl merge`: several damaged images of one disc become one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode, NotAvailable
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.catalogs import opened_catalog
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, is_drive, opened

if TYPE_CHECKING:
    from imagerd.toolkit.merge import MergeResult


@dataclass(frozen=True, slots=True)
class _Told:
    sources: tuple[str, ...]
    result: MergeResult
    remarks: tuple[str, ...] = ()


@click.command("merge")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="TARGET",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The image to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--hash", "with_hash", is_flag=True, help="Also tell the digests of what is written.")
@click.option(
    "--align-to",
    metavar="SOURCE",
    help="Have the audio where this source has it. Else it is the first.",
)
@click.option("--no-align", is_flag=True, help="Take all audio as it lies.")
@account_options
@output_options
def command(
    sources: tuple[str, ...],
    target: Path,
    overwrite: bool,
    with_hash: bool,
    align_to: str | None,
    no_align: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make one whole image out of several damaged ones of the same disc.

    The sources are images in the same form, all raw or all of 2048-byte sectors, read by any
    program from one copy of a disc or from several of the same pressing; and jobs, finished or
    not, by their folder or their id, of which every reading counts that was kept. What the catalog
    or a map file beside an image says of its bad sectors is heeded: ddrescue's own maps, too, as
    IMAGE.map, or else named behind the image.

    Of data sectors that carry an EDC (raw images), all readings count. One that proves itself is
    taken; else their bytes are put to the vote, in which those that the drive flagged (C2) weigh
    half, and the sector's own parity fills in where they disagree; only what the EDC then proves
    is written as good. Elsewhere (audio, .iso) good readings are taken where they agree, or where
    most of them do; of audio that no source has good, readings that jobs kept are enough if two
    agree. Sectors in dispute stay doubtful, and are listed in TARGET.map with those that nobody
    has.

    Audio that was read at another offset is moved to where the first source has it. How far, is
    found by comparing samples all over the disc; where that cannot be told, the audio of that
    source counts as doubtful.

    \b
    Examples:
      imagerctl merge first.cue second.cue third.cue -o whole.cue
      imagerctl merge tuesday.iso friday.iso -o film.iso
      imagerctl merge tuesday.iso tuesday.log friday.iso friday.log -o film.iso
      imagerctl merge /srv/discs/work/3f2a other.cue -o whole.cue

    Exit code: 1 if sectors stay unreadable, doubtful, in dispute or with a wrong EDC.
    """
    from imagerd.toolkit.convert import ConvertOptions
    from imagerd.toolkit.merge import merge

    output = Output("merge", as_json=as_json, quiet=quiet)
    options = ConvertOptions(overwrite=overwrite, hash=with_hash)
    named = _with_maps(sources)
    names = tuple(name for name, _ in named)
    if len(named) < 2:
        raise click.UsageError("Name two images at least.")
    if align_to is not None and align_to not in names:
        raise click.UsageError(f"--align-to: {align_to} is none of the sources.")
    if align_to is not None and no_align:
        raise click.UsageError("--align-to and --no-align contradict each other.")
    accounts = Accounts(catalog, config, no_catalog, no_map)
    with ExitStack() as stack:
        discs = [stack.enter_context(_opened(name, file, accounts)) for name, file in named]
        task = merge(
            [disc.source for disc in discs],
            target,
            options,
            aligned=not no_align,
            reference=None if align_to is None else names.index(align_to),
        )
        result = output.follow(task, str(target))
        remarks = tuple(dict.fromkeys(remark for disc in discs for remark in disc.remarks))
    output.tell(_Told(names, result, remarks), _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _with_maps(words: Sequence[str]) -> list[tuple[str, Path | None]]:
    """The sources, each with the map file that is named behind it, if there is one."""
    from imagerd.toolkit.beside import is_map

    found: list[tuple[str, Path | None]] = []
    for word in words:
        if found and found[-1][1] is None and is_map(Path(word)):
            found[-1] = (found[-1][0], Path(word))
        else:
            found.append((word, None))
    return found


@contextmanager
def _opened(source: str, file: Path | None, accounts: Accounts) -> Iterator[Opened]:
    """An image, with the map `file` if one is named, a drive, or a job by its folder or its id."""
    path = Path(source)
    if not path.exists() and source.replace("-", "").isalnum() and not accounts.no_catalog:
        path = _of_job(source, accounts)
    if is_drive(source) or not path.is_dir():
        with opened(str(path), accounts if file is None else None) as disc:
            yield disc if file is None else _heeding(disc, file)
        return
    if file is not None:
        raise BadInput(f"{source} is no image that {file} could be the map of.")
    from imagerd.toolkit.jobs import JobSource

    with closing(JobSource.open(path)) as job:
        yield Opened(source, job, remarks=job.remarks)


def _heeding(disc: Opened, file: Path) -> Opened:
    """An image as its map has it."""
    from imagerd.toolkit.account import accounted
    from imagerd.toolkit.maps import account_of_map

    if disc.image is None:
        raise BadInput(f"{disc.name} is no image that {file} could be the map of.")
    account = account_of_map(disc.image, file)
    return replace(disc, source=accounted(disc.image, account), account=account)


def _of_job(what: str, accounts: Accounts) -> Path:
    """The folder of a job by its id; its image, if nothing else is kept."""
    with opened_catalog(accounts.catalog, accounts.config) as catalog:
        job = catalog.jobs.find(what)
        if job.workspace is not None and Path(job.workspace).is_dir():
            return Path(job.workspace)
        for image in catalog.images.of_job(job.id):  # the newest first
            return Path(image.path)
    raise NotAvailable(f"Of job {job.id[:8]} nothing that was read is kept.")


def _lines(told: _Told) -> Iterator[str]:
    from imagerd.disc.ranges import Extent

    result = told.result
    for file in result.written.files:
        size = text.faint(text.size(file.path.stat().st_size))
        yield f"{text.clean(str(file.path))}  {size}"
        if file.digests is not None:
            names = ("crc32", "md5", "sha1", "sha256")
            yield from text.facts([(name, getattr(file.digests, name)) for name in names])
    yield from _alignments(told)
    yield f"{text.count(result.same.count, 'sector')} alike in all."
    for source, extent in zip(told.sources, result.taken, strict=True):
        if extent:
            yield (
                f"From {text.clean(source)} alone: {text.count(extent.count, 'sector')},"
                f" LBA {text.ranges(extent.ranges)}."
            )
    for state, what in (
        ("proven", "from several or by parity, and proven"),
        ("read", "of audio that several readings tell alike"),
    ):
        joined = Extent.of(
            range(one.lba, one.lba + 1) for one in result.joined if one.state.name.lower() == state
        )
        if joined:
            yield text.good("Put together") + (
                f" {what}: {text.count(joined.count, 'sector')}, LBA {text.ranges(joined.ranges)}."
            )
    for name, extent, what in (
        ("Outvoted", result.outvoted, "most images agree"),
        ("In dispute", result.disputed, "written as most bytes are, or as the first has it"),
        ("Unreadable", result.lost, "in none of them"),
        ("Wrong EDC", result.written.wrong, "written as they are"),
    ):
        if extent:
            yield text.bad(name) + (
                f", {what}: {text.count(extent.count, 'sector')}, LBA {text.ranges(extent.ranges)}."
            )
    if result.written.map is not None:
        yield f"What is bad in it is listed in {text.clean(str(result.written.map))}."
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))


def _alignments(told: _Told) -> Iterator[str]:
    for one in told.result.alignments:
        name, other = text.clean(told.sources[one.source]), text.clean(told.sources[one.by])
        places = f"{one.agreeing} of {text.count(one.asked, 'place')}"
        if one.samples is None:
            yield text.doubtful("Not aligned") + (
                f": nowhere can it be told for sure how the audio of {name} lies to that of"
                f" {other} ({places}); it counts as doubtful. If both were read at the same offset:"
                " --no-align."
            )
        elif one.samples:
            way = "later" if one.samples > 0 else "earlier"
            size = text.count(abs(one.samples), "sample")
            yield f"Audio of {name} lies {size} {way}; moved ({places} agree)."
