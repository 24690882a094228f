# SPDX-License-Identifier: Apache-2.0
"""`imagerctl attach`: an image as a real optical drive, for every program of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.devices.virtual.kernel.attached import Attached

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Drives:
    """Attached drives, as a result."""

    drives: tuple[Attached, ...]


@click.command("attach")
@click.argument("image", type=_FILE, required=False)
@click.option("--list", "list_", is_flag=True, help="List the attached drives.")
@click.option("--name", default="", help="What to call the drive. Default: after the image.")
@click.option("--faults", type=_FILE, help="A fault plan: what is the matter with this disc.")
@click.option(
    "--drive-profile",
    "profile",
    default="plain",
    metavar="NAME",
    help="The model of drive: a built-in profile (plain, plextor, no-c2, …) or a TOML file.",
)
@click.option(
    "--medium",
    default="",
    metavar="KIND",
    help="The recordable disc that it is (cd-r, dvd-r, …). Without it the disc is a pressed one.",
)
@click.option(
    "--time-scale",
    type=float,
    default=0.0,
    metavar="X",
    help="Seconds for each second that a drive would take: 1 is as slow as a drive. Default: 0.",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Log the reading commands there.")
@click.option("--allow-outside", is_flag=True, help="The sheet may name files outside its folder.")
@output_options
def command(
    image: Path | None,
    list_: bool,
    name: str,
    faults: Path | None,
    profile: str,
    medium: str,
    time_scale: float,
    trace: Path | None,
    allow_outside: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Attach IMAGE as a real optical drive.

    The kernel gets a /dev/srN with data, audio and subchannel, and any program can use it. It
    stays until it is detached or the machine goes down. Needs root, and two modules of the stock
    kernel: target_core_user and tcm_loop. See docs/virtual-drive.md.

    \b
    Examples:
      sudo imagerctl attach game.cue
      sudo imagerctl attach disc.iso --faults scratch.toml --drive-profile plextor
      imagerctl attach --list
    """
    from imagerd.devices.virtual.kernel import attached

    output = Output("attach", as_json=as_json, quiet=quiet)
    if list_:
        output.tell(Drives(attached.attached()), _lines)
        return
    if image is None:
        raise click.UsageError("Missing argument 'IMAGE'.")
    one = attached.attach(
        image,
        name=name,
        faults=faults,
        profile=profile if not Path(profile).exists() else Path(profile).absolute(),
        time_scale=time_scale,
        allow_outside=allow_outside,
        medium=medium,
        trace=trace.absolute() if trace is not None else None,
    )
    output.tell(one, lambda drive: [f"{node(drive)}: {text.clean(str(image))}"])


def node(drive: Attached) -> str:
    """The device node of an attached drive, for a person."""
    return (drive.state.node if drive.state is not None else "") or "no device"


def _lines(result: Drives) -> Iterator[str]:
    if not result.drives:
        yield "Nothing is attached; `imagerctl attach IMAGE` does it."
        return
    rows = [
        [text.strong(node(drive)), drive.name, _tray(drive), text.clean(_disc(drive))]
        for drive in result.drives
    ]
    yield from text.table(rows, ["device", "name", "tray", "disc"], indent=0)
    if any(drive.state is None for drive in result.drives):
        yield text.faint("Stale drives have lost their process: `imagerctl detach --stale`.")


def _tray(drive: Attached) -> str:
    if drive.state is None:
        return text.doubtful("stale")
    if drive.state.tray_open:
        return "open"
    return "locked" if drive.state.locked else "closed"


def _disc(drive: Attached) -> str:
    return (drive.state.image if drive.state is not None else "") or "empty"
