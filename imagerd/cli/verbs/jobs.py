# SPDX-License-Identifier: Apache-2.0
"""`imagerctl jobs`: what the daemon does and did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import connect, job_state, progress_words, socket_option
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.daemon.protocol import JobView


@click.command("jobs")
@click.option("-a", "--all", "everything", is_flag=True, help="Jobs that have ended, too.")
@socket_option
@output_options
def command(everything: bool, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """List the daemon's jobs, newest first.

    \b
    Examples:
      imagerctl jobs
      imagerctl jobs --all
      imagerctl jobs --all --json | jq -r '.[] | select(.state == "failed") | .sentence'
    """
    jobs = connect(socket).jobs(everything=everything)
    Output("jobs", as_json=as_json, quiet=quiet).tell(jobs, _lines)


def _lines(jobs: list[JobView]) -> Iterator[str]:
    if not jobs:
        yield "No jobs."
        return
    rows = [
        [
            text.strong(job.id[:8]),
            job_state(job),
            text.clean(job.name) or "–",
            job.medium,
            job.drive,
            f"{job.created:%Y-%m-%d %H:%M}" if job.created is not None else "",
            progress_words(job.progress) if job.progress is not None else text.clean(job.sentence),
        ]
        for job in jobs
    ]
    heads = ["job", "state", "disc", "medium", "drive", "begun (UTC)", ""]
    yield from text.table(rows, heads, indent=0)
