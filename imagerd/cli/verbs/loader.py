# SPDX-License-Identifier: Apache-2.0
"""`imagerctl loader`: the disc loaders of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import connect, loader_state, socket_option
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.daemon.protocol import LoaderView


@click.group("loader")
def command() -> None:
    """Work a stack of discs with a loader of the configuration.

    Each disc is loaded, archived and put into a bin, until the stack is empty: accepted are the
    discs whose job is done or skipped as a duplicate, rejected all others. See docs/loaders.md.

    \b
    Examples:
      imagerctl loader list
      imagerctl loader run robot
      imagerctl loader stop robot        # after the disc at hand
    """


@command.command("list")
@socket_option
@output_options
def list_(socket: Path | None, as_json: bool, quiet: bool) -> None:
    """List the loaders and what they do."""
    _tell(connect(socket).loaders(), as_json, quiet)


@command.command("run")
@click.argument("name")
@socket_option
@output_options
def run(name: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Work the stack of the loader NAME; goes on where an interrupted run was."""
    _tell([connect(socket).loader(name, "run")], as_json, quiet)


@command.command("cleared")
@click.argument("name")
@socket_option
@output_options
def cleared(name: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Go on after a person has emptied gripper, tray and drive of the loader NAME."""
    _tell([connect(socket).loader(name, "cleared")], as_json, quiet)


@command.command("stop")
@click.argument("name")
@socket_option
@output_options
def stop(name: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Stop the loader NAME after the disc at hand.

    To a person's loader that asks for the next disc it says that there are no more.
    """
    _tell([connect(socket).loader(name, "stop")], as_json, quiet)


def _tell(views: list[LoaderView], as_json: bool, quiet: bool) -> None:
    Output("loader", as_json=as_json, quiet=quiet).tell(views, _table)


def _table(views: list[LoaderView]) -> Iterator[str]:
    if not views:
        yield "The configuration has no loader; see docs/loaders.md."
        return
    rows = [
        [
            text.strong(view.name),
            view.driver,
            view.drive,
            loader_state(view),
            text.grouped(view.accepted),
            text.grouped(view.rejected),
            text.clean(view.sentence),
        ]
        for view in views
    ]
    heads = ["loader", "driver", "drive", "state", ">accepted", ">rejected", ""]
    yield from text.table(rows, heads, indent=0)
