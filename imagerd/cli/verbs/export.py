# SPDX-License-Identifier: Apache-2.0
"""`imagerctl export`: a finished disc in the form that another tool works on."""

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
from imagerd.cli.subjects import Subject, subject

if TYPE_CHECKING:
    from imagerd.toolkit.redumper.export import ExportResult
    from imagerd.toolkit.redumper.writing import Provenance


@dataclass(frozen=True, slots=True)
class _Told:
    source: str
    result: ExportResult
    remarks: tuple[str, ...] = ()


@click.command("export")
@click.argument("what", metavar="IMAGE-OR-JOB")
@click.option(
    "--redumper", "form", flag_value="redumper", required=True, help="As the files of redumper."
)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go; it is made if need be.",
)
@click.option("--name", help="What the files are called, else as the image or the disc.")
@click.option(
    "--read-offset",
    type=int,
    metavar="SAMPLES",
    help="Read offset of the drive, AccurateRip's sign, if the audio is as the drive gave it.",
)
@click.option(
    "--write-offset",
    type=int,
    metavar="SAMPLES",
    help="Write offset of the disc, if it is known: data sectors are put there.",
)
@click.option(
    "--make-subcode",
    is_flag=True,
    help="Make P and Q out of the layout where no subchannel was kept.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@account_options
@output_options
def command(
    what: str,
    form: str,
    folder: Path,
    name: str | None,
    read_offset: int | None,
    write_offset: int | None,
    make_subcode: bool,
    overwrite: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a finished disc as the files of another tool.

    With --redumper: NAME.scram, .state, .subcode, .toc, .fulltoc, .pma, .atip and .cdtext of a CD,
    as far as it has them, NAME.iso and .state of a DVD or BD, on which `redumper split`, `hash` and
    `info` run; and NAME.log, which says what was not read as redumper would have. Nothing is told
    better than it is known: what was not read is ERROR_SKIP, what is doubtful ERROR_C2, what was
    read SUCCESS_C2_OFF, and only what proves itself SUCCESS. IMAGE-OR-JOB is the path
    of an image, what the catalog calls it, the id of a job or the folder of one.

    \b
    Examples:
      imagerctl export game.cue --redumper -o set
      imagerctl export 12 --redumper -o set --name GAME
      imagerctl export music.cue --redumper -o set --read-offset 6 --make-subcode

    Exit code: 1 if sectors are ERROR_SKIP or ERROR_C2.
    """
    from imagerd.toolkit.redumper.export import export_redumper
    from imagerd.toolkit.redumper.writing import ExportOptions

    if name is not None and (Path(name).name != name or name.startswith(".")):
        raise click.UsageError("--name is a name for files, without a folder.")
    output = Output("export", as_json=as_json, quiet=quiet)
    with subject(what, Accounts(catalog, config, no_catalog, no_map)) as disc:
        if read_offset is None:
            read_offset = disc.read_offset
        options = ExportOptions(overwrite, read_offset, write_offset, make_subcode)
        target = folder / (name or disc.name)
        task = export_redumper(disc.source, target, options, _provenance(disc))
        result = output.follow(task, disc.name)
    output.tell(_Told(disc.where, result, disc.remarks), _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _provenance(disc: Subject) -> Provenance:
    from imagerd.toolkit.redumper.writing import Provenance

    facts = [("source", Path(disc.where).name)]
    if disc.drive is not None:
        facts.append(("drive", str(disc.drive)))
    facts += [("remark", remark) for remark in disc.remarks]
    return Provenance(disc.corrected, disc.accounted, disc.replies(), tuple(facts))


def _lines(told: _Told) -> Iterator[str]:
    result = told.result
    for file in result.files:
        size = text.faint(text.size(file.stat().st_size))
        yield f"{text.clean(str(file))}  {size}"
    counts = [f"{text.grouped(n)} {state.upper()}" for state, n in result.counts.items() if n]
    summary = f"in .state: {', '.join(counts)}"
    yield text.good(summary) if result.ok else text.bad(summary)
    for note in result.notes:
        yield text.faint(text.clean(note))
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))
