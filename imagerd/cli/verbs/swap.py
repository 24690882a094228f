# SPDX-License-Identifier: Apache-2.0
"""`imagerctl swap`: another disc into an attached drive."""

from __future__ import annotations

from pathlib import Path

import click

from imagerd.cli import text
from imagerd.cli.output import Output, output_options
from imagerd.cli.verbs.attach import node

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("swap")
@click.argument("drive")
@click.argument("image", type=_FILE, required=False)
@click.option("--faults", type=_FILE, help="A fault plan: what is the matter with this disc.")
@click.option("--medium", default="", metavar="KIND", help="The recordable disc that it is.")
@click.option("--empty", is_flag=True, help="Take the disc out, and close the tray over nothing.")
@click.option("--force", is_flag=True, help="Also while the disc is mounted or read.")
@click.option("--allow-outside", is_flag=True, help="The sheet may name files outside its folder.")
@output_options
def command(
    drive: str,
    image: Path | None,
    faults: Path | None,
    medium: str,
    empty: bool,
    force: bool,
    allow_outside: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put IMAGE into an attached DRIVE, in place of the disc in it.

    The drive stays; the disc is changed as a person does it: the button is pressed, the tray opens
    as soon as the system lets it, the discs are changed and the tray closes.

    \b
    Examples:
      sudo imagerctl swap /dev/sr1 disc2.cue
      sudo imagerctl swap game --empty
    """
    from imagerd.devices.virtual.kernel import attached

    if (image is None) is not empty:
        raise click.UsageError("Name an IMAGE, or use --empty.")
    one = attached.swap(
        attached.find(drive),
        image,
        faults,
        force=force,
        allow_outside=allow_outside,
        medium=medium,
    )
    output = Output("swap", as_json=as_json, quiet=quiet)
    holds = text.clean(str(image)) if image is not None else "empty"
    output.tell(one, lambda changed: [f"{node(changed)}: {holds}"])
