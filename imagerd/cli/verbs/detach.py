# SPDX-License-Identifier: Apache-2.0
"""`imagerctl detach`: take attached drives away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ImagerdError
from imagerd.cli.output import Output, output_options
from imagerd.cli.verbs.attach import Drives, node

if TYPE_CHECKING:
    from imagerd.devices.virtual.kernel.attached import Attached


@click.command("detach")
@click.argument("drive", required=False)
@click.option("--all", "all_", is_flag=True, help="Detach every attached drive.")
@click.option("--stale", is_flag=True, help="Clear away drives whose process was killed.")
@click.option("--force", is_flag=True, help="Also while the disc is mounted.")
@output_options
def command(
    drive: str | None, all_: bool, stale: bool, force: bool, as_json: bool, quiet: bool
) -> None:
    """Take an attached DRIVE away.

    DRIVE is its name, its /dev/srN, or its image. As with a cable that is pulled, whoever reads
    from it gets errors.

    \b
    Examples:
      sudo imagerctl detach /dev/sr1
      sudo imagerctl detach --all
    """
    from imagerd.devices.virtual.kernel import attached

    if sum((drive is not None, all_, stale)) != 1:
        raise click.UsageError("Name one DRIVE, or use --all or --stale.")
    if drive is not None:
        chosen = [attached.find(drive)]
    else:
        chosen = [one for one in attached.attached() if all_ or one.state is None]
    gone: list[Attached] = []
    refused: ImagerdError | None = None
    for one in chosen:
        try:
            attached.detach(one, force=force)
        except ImagerdError as error:  # of one drive; the others can go all the same
            refused = refused or error
        else:
            gone.append(one)
    output = Output("detach", as_json=as_json, quiet=quiet)
    output.tell(
        Drives(tuple(gone)),
        lambda them: [f"detached {one.name} ({node(one)})" for one in them.drives],
    )
    if refused is not None:
        raise refused
