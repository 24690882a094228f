# SPDX-License-Identifier: Apache-2.0
"""`imagerctl convert`: another container for the same disc, or for many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.base.progress import Task
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.conversions import Told, batch_lines, lines
from imagerd.cli.listening import swapped_remarks
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, is_drive, opened

if TYPE_CHECKING:
    from imagerd.toolkit.account import Account, AccountSummary
    from imagerd.toolkit.batch import Conversion, Converted
    from imagerd.toolkit.convert import ConvertOptions, ConvertResult
    from imagerd.toolkit.crew import Pulse


@dataclass(frozen=True, slots=True)
class _Call:
    """What one conversion needs besides its names; goes to another process."""

    options: ConvertOptions
    repair: bool | None
    accounts: Accounts
    quiet: bool


@click.command("convert")
@click.argument("names", nargs=-1, required=True, metavar="SOURCE... [TARGET]")
@click.option("--to", "suffix", metavar="SUFFIX", help="The container of many: iso, cue, …")
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --to: the folder to write into; else each beside its source.",
)
@click.option("--overwrite", "--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--continue",
    "keep",
    is_flag=True,
    help="Leave alone what is there and, compared with its source, as it should be.",
)
@click.option("--strict", is_flag=True, help="Refuse what the container cannot hold.")
@click.option("--verify", is_flag=True, help="Read it back and compare it with the source.")
@click.option("--track", type=click.IntRange(1, 99), help="Which data track an .iso gets.")
@click.option(
    "--split/--join",
    default=None,
    help="One .bin for each track, or one for all; by default as the source's sheet has it.",
)
@click.option(
    "--repair/--no-repair",
    default=None,
    help="Correct sectors by their parity; by default from one container to another.",
)
@click.option("--swap", is_flag=True, help="Exchange the two bytes of each sample of audio.")
@click.option("--raw", is_flag=True, help="Make raw sectors of an .iso for a .cue.")
@click.option("--fast", is_flag=True, help="Pack soon rather than small (.chd, .cso, .zso).")
@click.option("--cut", is_flag=True, help="Let an .iso lose bytes of mode 2 form 2 sectors.")
@click.option("--hash", "with_hash", is_flag=True, help="Also tell the digests of what is written.")
@click.option("--sync", is_flag=True, help="Return only when all is on the disk.")
@click.option("--processes", type=click.IntRange(1, 64), help="How many; by default one a core.")
@account_options
@output_options
def command(
    names: tuple[str, ...],
    suffix: str | None,
    folder: Path | None,
    overwrite: bool,
    keep: bool,
    strict: bool,
    verify: bool,
    track: int | None,
    split: bool | None,
    repair: bool | None,
    swap: bool,
    raw: bool,
    fast: bool,
    cut: bool,
    with_hash: bool,
    sync: bool,
    processes: int | None,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a disc or an image as another kind of image.

    TARGET's suffix chooses the container: .iso (2048-byte sectors of one data track; packed .cso,
    .zso), .cue (with its .bin; packed .bin.ecm), .chd (MAME), .ccd (CloneCD), .nrg (Nero), .mds
    (Alcohol 120%), .toc (cdrdao) or .gdi (GD-ROMs). With --to it is one for any number of sources,
    which then are converted side by side. What the container cannot hold is told before it is
    written.

    The EDC of every data sector is checked on the way. From one container to another, sectors are
    corrected by their parity where that makes the EDC right, and listed; what a copy protection
    made bad is left so. --no-repair keeps all bytes as read; of a drive, and within a container,
    only --repair corrects. Sectors that could not be read when the source was imaged, as the
    catalog or a map file beside it says, stay bad: a ddrescue map file beside TARGET (TARGET.map)
    lists what is not to be trusted in it. The files appear under their names when they are whole.

    \b
    Examples:
      imagerctl convert game.cue game.iso
      imagerctl convert --split game.cue split/game.cue
      imagerctl convert --track 2 pce.cue data.iso
      imagerctl convert --raw game.iso game.cue
      imagerctl convert game.cue game.ccd
      imagerctl convert --fast game.cue game.chd
      imagerctl convert /dev/sr0 disc.iso
      imagerctl convert *.iso --to cue --into sheets --verify
      imagerctl convert *.iso --to cue --into sheets --continue

    Exit code: 1 if sectors with a wrong EDC, doubtful ones, or filling for unreadable ones were
    written, or reading back gave something else. Of many, the worst.
    """
    from imagerd.toolkit.convert import ConvertOptions

    output = Output("convert", as_json=as_json, quiet=quiet)
    options = ConvertOptions(
        overwrite=overwrite,
        split_tracks=split,
        track=track,
        hash=with_hash,
        cut_form2=cut,
        sync=sync,
        strict=strict,
        verify=verify,
        keep=keep,
        swap=swap,
        raw=raw,
        quick=fast,
    )
    call = _Call(options, repair, Accounts(catalog, config, no_catalog, no_map), quiet)
    if suffix is None:
        if folder is not None:
            raise click.UsageError("--into needs --to, which says what to convert to.")
        if len(names) != 2:
            raise click.UsageError("Name a source and a target, or many sources and --to.")
        _one(names[0], Path(names[1]), call, output)
    else:
        _many(names, suffix, folder, call, processes, output)


def _one(source: str, target: Path, call: _Call, output: Output) -> None:
    with opened(source, call.accounts) as disc:
        result = output.follow(_conversion(disc, target, call, output), source)
        remarks = (*disc.remarks, *swapped_remarks(disc, swap=call.options.swap))
        told = Told(source, result, _summary(disc.account), remarks)
    output.tell(told, lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _many(
    names: tuple[str, ...],
    suffix: str,
    folder: Path | None,
    call: _Call,
    processes: int | None,
    output: Output,
) -> None:
    from imagerd.toolkit.batch import convert_all, plan
    from imagerd.toolkit.crew import cores

    if folder is None and any(is_drive(name) for name in names):
        raise click.UsageError("A drive has no folder to write into; name one by --into.")
    jobs = plan(names, suffix, folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    batch = output.follow(convert_all(jobs, partial(_convert, call=call), processes or cores()))
    output.tell(batch, batch_lines)
    failures.finish(batch.code)


def _convert(job: Conversion, pulse: Pulse, *, call: _Call) -> Converted:
    """One of many, in a process of its own."""
    from imagerd.base.progress import run
    from imagerd.toolkit.batch import Converted

    output = Output("convert", as_json=False, quiet=call.quiet)
    with opened(job.source, call.accounts) as disc:
        result = run(_conversion(disc, job.target, call, output), pulse)
        code = ExitCode.OK if result.ok else ExitCode.FINDING
        remarks = (*disc.remarks, *swapped_remarks(disc, swap=call.options.swap))
        return Converted(job.source, job.target, code, result, None, remarks)


def _conversion(disc: Opened, target: Path, call: _Call, output: Output) -> Task[ConvertResult]:
    """Tell what will be lost, then convert."""
    from imagerd.formats.origin import origin_of
    from imagerd.toolkit.convert import convert, known_losses

    options = replace(
        call.options, repair=_repairs(disc, target, call.repair), origin=origin_of(disc.image)
    )
    lost = known_losses(disc.source, target, options)
    if lost:
        what = ", ".join(trait.sentence for trait in lost)
        output.note(f"{text.clean(str(target))} cannot hold {text.clean(what)} of {disc.name}.")
    return convert(disc.source, target, options)


def _repairs(disc: Opened, target: Path, asked: bool | None) -> bool:
    """Whether to repair: by default from one container to another."""
    if asked is not None or disc.image is None or is_drive(disc.name):
        return bool(asked)
    from imagerd.formats import container_of

    return disc.image.format != container_of(target).value


def _summary(account: Account | None) -> AccountSummary | None:
    if account is None:
        return None
    from imagerd.toolkit.account import AccountSummary

    return AccountSummary.of(account)
