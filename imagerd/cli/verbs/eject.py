# SPDX-License-Identifier: Apache-2.0
"""`imagerctl eject`: open a tray, through the daemon or without it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from imagerd.base.errors import NotAvailable
from imagerd.cli.calls import connect, socket_option
from imagerd.cli.output import Output, output_options


@dataclass(frozen=True, slots=True)
class _Ejected:
    drive: str


@click.command("eject")
@click.argument("drive")
@socket_option
@output_options
def command(drive: str, socket: Path | None, as_json: bool, quiet: bool) -> None:
    """Open the tray of a drive that is not at work.

    DRIVE is a name that `imagerctl status` shows, or a device. Where no daemon runs, the drive
    itself is asked.

    \b
    Examples:
      imagerctl eject sr0
      imagerctl eject /dev/disk/by-id/usb-HL-DT-ST_DVDRAM_…
    """
    try:
        connect(socket).eject(drive)
    except NotAvailable:
        if not Path(drive).exists() and not drive.startswith("virtual:"):
            raise
        _eject_ourselves(drive)
    Output("eject", as_json=as_json, quiet=quiet).tell(
        _Ejected(drive), lambda done: [f"{done.drive} is open."]
    )


def _eject_ourselves(address: str) -> None:
    from imagerd.devices.drive import OpticalDrive
    from imagerd.devices.transport import open_transport

    with closing(OpticalDrive(open_transport(address))) as drive:
        drive.eject()
