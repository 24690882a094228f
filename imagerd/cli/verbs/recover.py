# SPDX-License-Identifier: Apache-2.0
"""`imagerctl recover`: let what was read of a job's bad sectors speak once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from imagerd.cli import text
from imagerd.cli.catalogs import catalog_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.subjects import job_folder


@dataclass(frozen=True, slots=True)
class _Told:
    """`looked_at` sectors with evidence, `gained` of them are good now; `bad` are left."""

    folder: Path
    looked_at: int
    gained: int
    bad: int


@click.command("recover")
@click.argument("job", metavar="JOB")
@click.option(
    "--recompute", is_flag=True, help="Apply the present rules to the readings that were kept."
)
@catalog_options
@output_options
def command(
    job: str,
    recompute: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the bad sectors of a job anew, by the readings of them that were kept.

    JOB is the folder of a job, or its id in the catalog; nothing may work on it. No drive is
    needed: what a later imagerd knows to make of old readings is made of them. `imagerctl retry`
    reads what then is still missing, and writes the image.

    \b
    Examples:
      imagerctl recover 3f2a --recompute
    """
    from imagerd.recovery.recomputing import recompute as again
    from imagerd.recovery.workspace import Workspace

    if not recompute:
        raise click.UsageError("Say --recompute; to read bad sectors again: imagerctl retry JOB.")
    output = Output("recover", as_json=as_json, quiet=quiet)
    folder = job_folder(job, catalog, config)
    with Workspace.open(folder) as work:
        done = output.follow(again(work), "recomputing")
    told = _Told(folder, done.looked_at, done.gained, done.bad)
    output.tell(told, _lines)


def _lines(told: _Told) -> Iterator[str]:
    yield (
        f"{told.looked_at:,} sectors were judged anew: {told.gained:,} are good now,"
        f" {told.bad:,} are not."
    )
    if told.gained:
        yield text.faint("`imagerctl retry` writes the image with them.")
