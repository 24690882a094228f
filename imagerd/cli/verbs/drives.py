# SPDX-License-Identifier: Apache-2.0
"""`imagerctl drives`: the optical drives of this machine, found without the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from imagerd.base.errors import ImagerdError
from imagerd.cli import text
from imagerd.cli.output import Output, output_options


@dataclass(frozen=True, slots=True)
class _Drive:
    """One drive. `state` is in words; `problem` says why it could not be asked."""

    address: str
    vendor: str
    product: str
    revision: str
    state: str
    medium: str | None
    links: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Drives:
    drives: tuple[_Drive, ...]


@click.command("drives")
@output_options
def command(as_json: bool, quiet: bool) -> None:
    """List the optical drives of this machine.

    Each drive is asked for its state; a drive that another program holds is listed all the same.
    Drives of the daemon, virtual ones among them, are in `imagerctl status`.

    \b
    Examples:
      imagerctl drives
      imagerctl drives --json | jq -r '.drives[].address'
    """
    from imagerd.devices.drives import list_drives

    output = Output("drives", as_json=as_json, quiet=quiet)
    found = tuple(
        _ask(node.address, node.vendor, node.product, node.revision, tuple(map(str, node.by_id)))
        for node in list_drives()
    )
    output.tell(_Drives(found), _lines)


def _ask(address: str, vendor: str, product: str, revision: str, links: tuple[str, ...]) -> _Drive:
    from contextlib import closing

    from imagerd.devices.drive import OpticalDrive
    from imagerd.devices.transport import open_transport

    state, medium, problem = "unknown", None, None
    try:
        # Not exclusively: looking must not disturb whoever uses the drive.
        with closing(OpticalDrive(open_transport(address, exclusive=False))) as drive:
            status = drive.status()
            state = status.name.lower().replace("_", " ")
            if state == "ready":
                found = drive.current_medium()
                medium = None if found is None else found.value
    except (ImagerdError, OSError) as error:
        problem = str(error)
    return _Drive(address, vendor, product, revision, state, medium, links, problem)


def _lines(result: _Drives) -> Iterator[str]:
    if not result.drives:
        yield "There is no optical drive here."
        yield text.faint("A drive shows as /dev/srN (module sr_mod) or /dev/sgN (module sg).")
        return
    rows = [
        [
            text.strong(drive.address),
            text.clean(f"{drive.vendor} {drive.product}"),
            text.clean(drive.revision),
            drive.state if drive.medium is None else f"{drive.medium.upper()} in it",
        ]
        for drive in result.drives
    ]
    yield from text.table(rows, ["drive", "name", "firmware", "state"], indent=0)
    for drive in result.drives:
        if drive.problem:
            yield text.doubtful(f"{drive.address}: {text.clean(drive.problem)}")
