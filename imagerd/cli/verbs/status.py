# SPDX-License-Identifier: Apache-2.0
"""`imagerctl status`: the daemon, its drives and what they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import connect, drive_lines, loader_line, socket_option
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.daemon.protocol import Status


@click.command("status")
@socket_option
@output_options
def command(socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Tell how the daemon and its drives are.

    Exit code 2 if no daemon runs.

    \b
    Examples:
      imagerctl status
      imagerctl status --json | jq '.drives[] | select(.state == "working")'
    """
    status = connect(socket).status()
    Output("status", as_json=as_json, quiet=quiet).tell(status, _lines)


def _lines(status: Status) -> Iterator[str]:
    since = f"{status.started:%Y-%m-%d %H:%M} UTC"
    yield f"imagerd {status.version}, process {status.pid}, since {since}"
    yield from text.facts(
        [
            ("archive", f"{text.clean(status.archive)}, {text.size(status.free)} free"),
            ("insertions", status.watching),
            ("note", status.sentence),
        ]
    )
    if not status.drives:
        yield "No drive is watched; `imagerctl virtual add NAME` makes one."
    for drive in status.drives:
        yield ""
        yield from drive_lines(drive)
    for loader in status.loaders:
        yield ""
        yield loader_line(loader)
