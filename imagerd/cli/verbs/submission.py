# SPDX-License-Identifier: Apache-2.0
"""`imagerctl submission`: the form of redump.org, as far as a finished disc fills it in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.base.files import refuse_existing, write_text_atomically
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options, to_json
from imagerd.cli.subjects import Subject, subject

if TYPE_CHECKING:
    from imagerd.toolkit.submission.facts import Question
    from imagerd.toolkit.submission.form import Submission


@click.command("submission")
@click.argument("what", metavar="IMAGE-OR-JOB")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the form to this file, as JSON if its suffix is .json.",
)
@click.option("--name", help="What the disc's files are called in it, else as the image.")
@click.option(
    "--write-offset",
    type=int,
    metavar="SAMPLES",
    help="Write offset of the disc, if it was measured.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@account_options
@output_options
def command(
    what: str,
    target: Path | None,
    name: str | None,
    write_offset: int | None,
    overwrite: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fill in the form of redump.org as far as a disc tells it.

    The cue sheet, DAT lines and digests of the tracks, the volume descriptor, error count, layer
    breaks and whatever else an image tells; what a person must add is marked (REQUIRED) or
    (REQUIRED, IF EXISTS). The notes at its head tell what is not as redump.org wants it: above all
    that it may refuse dumps with logs of a program that it does not know. IMAGE-OR-JOB is the path
    of an image, what the catalog calls it, the id of a job or the folder of one.

    \b
    Examples:
      imagerctl submission game.cue
      imagerctl submission 12 -o game.txt
      imagerctl submission game.cue --json | jq -r '.to_fill_in[].field'

    Exit code: 1 if sectors could not be read or may be wrong: such a dump is not to be submitted.
    """
    from imagerd.toolkit.submission.facts import find_out
    from imagerd.toolkit.submission.form import fill_in

    output = Output("submission", as_json=as_json, quiet=quiet)
    if target is not None:
        refuse_existing(target, overwrite=overwrite)
    with subject(what, Accounts(catalog, config, no_catalog, no_map)) as disc:
        question = _question(disc, name, write_offset)
        found = output.follow(find_out(disc.source, question), disc.name)
        for remark in disc.remarks:
            output.note(text.clean(remark))
    form = fill_in(found, question)
    if target is None:
        output.tell(form.plain(), lambda _: _lines(form))
    else:
        _write(target, form, overwrite=overwrite)
        output.tell(form.plain(), lambda _: [text.clean(str(target))])
    failures.finish(ExitCode.FINDING if found.lost or found.doubtful else ExitCode.OK)


def _question(disc: Subject, name: str | None, write_offset: int | None) -> Question:
    from imagerd.toolkit.submission.facts import Question

    drive = disc.drive
    shown = "".join("_" if c in '/"' or not c.isprintable() else c for c in name or disc.name)
    return Question(
        shown,
        corrected=disc.corrected,
        write_offset=write_offset,
        drive=None if drive is None else (drive.vendor, drive.product, drive.revision),
        made=disc.made,
        protections=disc.protections(),
    )


def _write(target: Path, form: Submission, *, overwrite: bool) -> None:
    as_json = target.suffix.lower() == ".json"
    body = to_json(form.plain()) + "\n" if as_json else form.text()
    write_text_atomically(target, body.encode(errors="replace").decode(), overwrite=overwrite)


def _lines(form: Submission) -> Iterator[str]:
    for line in form.text().splitlines():
        yield "\t".join(text.clean(part) for part in line.split("\t"))
