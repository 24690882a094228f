# SPDX-License-Identifier: Apache-2.0
"""`imagerctl cancel`: end a job; what it read is kept."""

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


@click.command("cancel")
@click.argument("job")
@socket_option
@output_options
def command(job: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """End a job; what it has read is kept.

    JOB is the id of a job, or the beginning of it. A cancelled job can be taken up again by
    `imagerctl retry`, and then reads only what is missing.

    \b
    Examples:
      imagerctl cancel 3f2a
      imagerctl jobs                    # where the ids are
    """
    done = connect(socket).cancel(job)
    Output("cancel", as_json=as_json, quiet=quiet).tell(done, _lines)


def _lines(job: JobView) -> Iterator[str]:
    verb = "is being ended"
    yield f"Job {text.strong(job.id[:8])} ({text.clean(job.name)}) {verb}; it was {job_state(job)}."
