# SPDX-License-Identifier: Apache-2.0
"""`imagerctl repair`: sectors of an image mended in place, and that undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import opened

if TYPE_CHECKING:
    from imagerd.toolkit.repair import RepairResult, UndoResult


@dataclass(frozen=True, slots=True)
class _Told:
    source: str
    changed: bool
    result: RepairResult
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _ToldUndone:
    undone: UndoResult


@click.command("repair")
@click.argument("image", required=False)
@click.option(
    "--undo",
    "journal",
    metavar="JOURNAL",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Bring back what the image was before the repair of that journal.",
)
@click.option("--parity", is_flag=True, help="Also make P and Q anew where only they are wrong.")
@click.option("--dry-run", "dry", is_flag=True, help="Only tell what would be mended.")
@account_options
@output_options
def command(
    image: str | None,
    journal: Path | None,
    parity: bool,
    dry: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Mend an image in its own files, by the parity of its sectors.

    Data sectors whose EDC is wrong are corrected by P and Q where the EDC then is right; nothing
    else is changed. Left alone are sectors that a copy protection made bad, those that were not
    read when the image was made, and, without --parity, those of which only P or Q is wrong.

    What changes is written to IMAGE.undo first, and forced to the disk. A repair that was
    interrupted is finished by the next one, or undone with --undo; so is any repair, as long as
    nobody else changed the image. Digests that were taken of the image before no longer fit.

    The sectors must lie plainly in files (.cue with .bin, and others). Other containers are mended
    by converting them.

    \b
    Examples:
      imagerctl repair --dry-run game.cue
      imagerctl repair game.cue
      imagerctl repair --undo game.cue.undo

    Exit code: 1 if bad sectors are left that are not bad on purpose.
    """
    output = Output("repair", as_json=as_json, quiet=quiet)
    if (image is None) == (journal is None):
        raise click.UsageError("Name an image, or a journal with --undo.")
    if journal is not None:
        from imagerd.toolkit.repair import undo

        output.tell(_ToldUndone(undo(journal)), _undone_lines)
        return
    from imagerd.toolkit.repair import repair

    with opened(str(image), Accounts(catalog, config, no_catalog, no_map)) as disc:
        if disc.image is None:
            raise BadInput(f"{disc.name} is a drive; only an image in files can be mended.")
        task = repair(disc.image, disc.source, renew_parity=parity, dry=dry)
        result = output.follow(task, disc.name)
        told = _Told(disc.name, not dry, result, disc.remarks)
    output.tell(told, _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _undone_lines(told: _ToldUndone) -> Iterator[str]:
    undone = told.undone
    count = text.count(undone.sectors.count, "sector is", "sectors are")
    yield (
        f"{count} as before in {text.clean(', '.join(undone.files))}:"
        f" LBA {text.ranges(undone.sectors.ranges)}."
    )
    yield f"The journal is {text.clean(str(undone.journal))} now."


def _lines(told: _Told) -> Iterator[str]:
    result = told.result
    if result.resumed is not None:
        yield f"Finished what {text.clean(str(result.resumed))} has, of a repair interrupted."
    done = ("Mended", "P and Q made anew") if told.changed else ("Can be mended", "P or Q wrong")
    for name, extent in zip(done, (result.mended, result.parity), strict=True):
        if extent:
            count = text.count(extent.count, "sector")
            yield text.good(name) + f": {count}, LBA {text.ranges(extent.ranges)}."
    for name, extent, what in (
        ("Beyond repair", result.wrong, ", wrong EDC"),
        ("Unreadable", result.unreadable, ""),
        ("Wrong parity, right EDC", result.parity_wrong, ", left so; --parity makes it anew"),
    ):
        if extent:
            count = text.count(extent.count, "sector")
            yield text.bad(name) + f"{what}: {count}, LBA {text.ranges(extent.ranges)}."
    if result.intended:
        yield (
            f"Of these {text.count(result.intended.count, 'sector')} bad on purpose (a copy"
            f" protection): LBA {text.ranges(result.intended.ranges)}."
        )
    if not (result.mended or result.parity or result.resumed):
        yield "There is nothing to mend."
    if result.journal is not None:
        journal = text.clean(str(result.journal))
        yield f"To take it back: imagerctl repair --undo {journal}"
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))
