# SPDX-License-Identifier: Apache-2.0
"""`imagerctl merge`: several damaged images of one disc become one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import opened

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
@account_options
@output_options
def command(
    sources: tuple[str, ...],
    target: Path,
    overwrite: bool,
    with_hash: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make one whole image out of several damaged ones of the same disc.

    The sources are images in the same form, all raw or all of 2048-byte sectors, read by any
    program from one copy of a disc or from several of the same pressing. What the catalog or a map
    file beside an image says of its bad sectors is heeded: ddrescue's own maps, too, as IMAGE.map.

    Of data sectors that carry an EDC (raw images), all readings count. One that proves itself is
    taken; else their bytes are put to the vote, and the sector's own parity fills in where they
    disagree; only what the EDC then proves is written as good. Elsewhere (audio, .iso) good
    readings are taken where they agree, or where most of them do. Sectors in dispute stay
    doubtful, and are listed in TARGET.map with those that nobody has. Audio must have been read at
    the same offset.

    \b
    Examples:
      imagerctl merge first.cue second.cue third.cue -o whole.cue
      imagerctl merge tuesday.iso friday.iso -o film.iso

    Exit code: 1 if sectors stay unreadable, doubtful, in dispute or with a wrong EDC.
    """
    from imagerd.toolkit.convert import ConvertOptions
    from imagerd.toolkit.merge import merge

    output = Output("merge", as_json=as_json, quiet=quiet)
    options = ConvertOptions(overwrite=overwrite, hash=with_hash)
    if len(sources) < 2:
        raise click.UsageError("Name two images at least.")
    accounts = Accounts(catalog, config, no_catalog, no_map)
    with ExitStack() as stack:
        discs = [stack.enter_context(opened(source, accounts)) for source in sources]
        task = merge([disc.source for disc in discs], target, options)
        result = output.follow(task, str(target))
        remarks = tuple(dict.fromkeys(remark for disc in discs for remark in disc.remarks))
    output.tell(_Told(sources, result, remarks), _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _lines(told: _Told) -> Iterator[str]:
    from imagerd.disc.ranges import Extent

    result = told.result
    for file in result.written.files:
        size = text.faint(text.size(file.path.stat().st_size))
        yield f"{text.clean(str(file.path))}  {size}"
        if file.digests is not None:
            names = ("crc32", "md5", "sha1", "sha256")
            yield from text.facts([(name, getattr(file.digests, name)) for name in names])
    yield f"{text.count(result.same.count, 'sector')} alike in all."
    for source, extent in zip(told.sources, result.taken, strict=True):
        if extent:
            yield (
                f"From {text.clean(source)} alone: {text.count(extent.count, 'sector')},"
                f" LBA {text.ranges(extent.ranges)}."
            )
    if result.joined:
        joined = Extent.of(range(one.lba, one.lba + 1) for one in result.joined)
        yield text.good("Put together") + (
            f" from several or by parity, and proven: {text.count(joined.count, 'sector')},"
            f" LBA {text.ranges(joined.ranges)}."
        )
    for name, extent, what in (
        ("Outvoted", result.outvoted, "most images agree"),
        ("In dispute", result.disputed, "written as in the first good one"),
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
