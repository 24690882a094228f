# SPDX-License-Identifier: Apache-2.0
"""`imagerctl retry`: take a job up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import connect, job_state, socket_option
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.daemon.protocol import JobView


@click.command("retry")
@click.argument("job")
@socket_option
@output_options
def command(job: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Take up a job again that ended short of done.

    JOB is the id of a job, or the beginning of it: one that ended with bad sectors, failed, was
    cancelled or skipped, or waits for an answer. Without its disc in a drive it waits for that.
    Only what is missing is read.

    \b
    Examples:
      imagerctl retry 3f2a
      imagerctl jobs --all                    # where the ids are
    """
    done = connect(socket).retry(job)
    Output("retry", as_json=as_json, quiet=quiet).tell(done, _lines)


def _lines(job: JobView) -> Iterator[str]:
    who = f"Job {text.strong(job.id[:8])} ({text.clean(job.name)})"
    if job.state == "queued":
        yield f"{who} is {job_state(job)}. {text.clean(job.sentence)}".rstrip()
    else:
        yield f"{who} is being taken up again; it was {job_state(job)}."
