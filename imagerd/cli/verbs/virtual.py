# SPDX-License-Identifier: Apache-2.0
"""`imagerctl virtual`: virtual drives of the daemon, to try it without a disc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import connect, socket_option
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.daemon.protocol import VirtualView


@click.group("virtual")
def command() -> None:
    """Add, fill, eject and remove virtual drives of the daemon.

    A virtual drive answers the same commands as a real one, from any image that imagerctl can
    open; a fault plan (docs/virtual-drive.md) gives the disc scratches.

    \b
    Examples:
      imagerctl virtual add demo
      imagerctl virtual insert demo game.cue --faults scratches.toml
      imagerctl virtual eject demo
      imagerctl virtual remove demo
    """


@command.command("list")
@socket_option
@output_options
def list_(socket: Path | None, as_json: bool, quiet: bool) -> None:
    """List the virtual drives."""
    views = connect(socket).virtual()
    Output("virtual", as_json=as_json, quiet=quiet).tell(views, _table)


@command.command("add")
@click.argument("name")
@click.option("--profile", help="A built-in drive profile, or a TOML file of one.")
@socket_option
@output_options
def add(name: str, profile: str | None, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Make a virtual drive NAME."""
    from imagerd.daemon.protocol import VirtualAdd

    if profile is not None and Path(profile).exists():
        profile = str(Path(profile).absolute())
    view = connect(socket).virtual_add(VirtualAdd(name=name, profile=profile))
    _tell(view, as_json, quiet)


@command.command("insert")
@click.argument("name")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A fault plan: what is the matter with this disc.",
)
@click.option(
    "--medium",
    default="",
    metavar="KIND",
    help="The recordable disc that it is, as a drive tells it: cd-r, cd-rw, dvd-r, dvd-rw, dvd+r,"
    " dvd+rw, bd-r or bd-re. Without it the disc is a pressed one.",
)
@socket_option
@output_options
def insert(
    name: str,
    image: Path,
    faults: Path | None,
    medium: str,
    socket: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put IMAGE into the drive NAME and close its tray."""
    from imagerd.daemon.protocol import VirtualInsert

    plan = str(faults.absolute()) if faults is not None else None
    wanted = VirtualInsert(image=str(image.absolute()), faults=plan, medium=medium)
    _tell(connect(socket).virtual_insert(name, wanted), as_json, quiet)


@command.command("eject")
@click.argument("name")
@socket_option
@output_options
def eject(name: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Press the eject button of the drive NAME."""
    _tell(connect(socket).virtual_eject(name), as_json, quiet)


@command.command("remove")
@click.argument("name")
@socket_option
def remove(name: str, socket: Path | None) -> None:
    """Take the drive NAME away."""
    connect(socket).virtual_remove(name)


def _tell(view: VirtualView, as_json: bool, quiet: bool) -> None:
    Output("virtual", as_json=as_json, quiet=quiet).tell(view, lambda one: _table([one]))


def _table(views: list[VirtualView]) -> Iterator[str]:
    if not views:
        yield "There is no virtual drive; `imagerctl virtual add NAME` makes one."
        return
    rows = [
        [
            text.strong(view.name),
            "tray open" if view.tray_open else "tray closed",
            text.clean(view.image or "empty"),
        ]
        for view in views
    ]
    yield from text.table(rows, ["drive", "tray", "disc"], indent=0)
