# SPDX-License-Identifier: Apache-2.0
"""`imagerctl convert`: another container for the same disc."""

from __future__ import annotations

from collections.abc import Iterator
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
    from imagerd.toolkit.account import Account, AccountSummary
    from imagerd.toolkit.convert import ConvertResult


@dataclass(frozen=True, slots=True)
class _Told:
    """`account`: what was known of the source from when it was made."""

    source: str
    result: ConvertResult
    account: AccountSummary | None
    remarks: tuple[str, ...] = ()


@click.command("convert")
@click.argument("source")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--track", type=click.IntRange(1, 99), help="Which data track an .iso gets.")
@click.option("--split", is_flag=True, help="One .bin for each track.")
@click.option("--repair", is_flag=True, help="Correct sectors by their parity where that works.")
@click.option("--cut", is_flag=True, help="Let an .iso lose bytes of mode 2 form 2 sectors.")
@click.option("--hash", "with_hash", is_flag=True, help="Also tell the digests of what is written.")
@click.option("--sync", is_flag=True, help="Return only when all is on the disk.")
@account_options
@output_options
def command(
    source: str,
    target: Path,
    overwrite: bool,
    track: int | None,
    split: bool,
    repair: bool,
    cut: bool,
    with_hash: bool,
    sync: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a disc or an image as another kind of image.

    TARGET's suffix chooses the container: .iso (2048-byte sectors of one data track), .cue
    (with its .bin), .ccd (CloneCD), .nrg (Nero), .mds (Alcohol 120%), .toc (cdrdao) or .gdi
    (GD-ROMs). What the container cannot hold is told. The EDC of every data sector is checked
    on the way; wrong sectors are listed and written as they are, unless --repair corrects them.
    Sectors that could not be read when the source was imaged, as the catalog or a map file
    beside it says, stay bad: a ddrescue map file beside TARGET (TARGET.map) lists what is not
    to be trusted in it. The files appear under their names when they are whole.

    \b
    Examples:
      imagerctl convert game.cue game.iso
      imagerctl convert --split game.cue split/game.cue
      imagerctl convert --track 2 pce.cue data.iso
      imagerctl convert game.cue game.ccd
      imagerctl convert /dev/sr0 disc.iso

    Exit code: 1 if sectors with a wrong EDC, doubtful ones, or filling for unreadable ones were
    written.
    """
    from imagerd.toolkit.convert import ConvertOptions, convert

    output = Output("convert", as_json=as_json, quiet=quiet)
    options = ConvertOptions(
        overwrite=overwrite,
        split_tracks=split,
        track=track,
        repair=repair,
        hash=with_hash,
        cut_form2=cut,
        sync=sync,
    )
    with opened(source, Accounts(catalog, config, no_catalog, no_map)) as disc:
        result = output.follow(convert(disc.source, target, options), source)
        told = _Told(source, result, _summary(disc.account), disc.remarks)
    output.tell(told, _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _summary(account: Account | None) -> AccountSummary | None:
    if account is None:
        return None
    from imagerd.toolkit.account import AccountSummary

    return AccountSummary.of(account)


def _lines(told: _Told) -> Iterator[str]:
    result = told.result
    for file in result.files:
        size = text.faint(text.size(file.path.stat().st_size))
        yield f"{text.clean(str(file.path))}  {size}"
        if file.digests is not None:
            names = ("crc32", "md5", "sha1", "sha256")
            yield from text.facts([(name, getattr(file.digests, name)) for name in names])
    if result.left_out:
        yield f"Left behind: {text.clean(', '.join(result.left_out))}."
    if result.repaired:
        yield text.doubtful("Repaired") + (
            f" by parity: {text.count(result.repaired.count, 'sector')}, "
            f"LBA {text.ranges(result.repaired.ranges)}."
        )
    for name, extent, what in (
        ("Unreadable", result.unreadable, "written as filling"),
        ("Wrong EDC", result.wrong, "written as they are"),
        ("Doubtful", result.doubtful, "written as they are"),
    ):
        if extent:
            yield text.bad(name) + (
                f", {what}: {text.count(extent.count, 'sector')}, LBA {text.ranges(extent.ranges)}."
            )
    if told.account is not None and told.account.sentence:
        yield text.faint(text.clean(told.account.sentence))
    if result.map is not None:
        yield f"What is bad in it is listed in {text.clean(str(result.map))}."
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))
