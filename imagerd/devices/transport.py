# SPDX-License-Identifier: Apache-2.0
"""From what a person types to a transport: a device node, a link to one, or a virtual drive."""

from __future__ import annotations

from imagerd.base.errors import BadInput
from imagerd.devices.scsi import Transport
from imagerd.devices.sgio import SgTransport

VIRTUAL = "virtual:"


def open_transport(address: str, *, exclusive: bool = True) -> Transport:
    """Open ``/dev/sr0``, ``/dev/sg1``, a link to one, or ``virtual:/path/of.sock``.

    Raises `NotAvailable`, `DriveLost` or, for an empty address, `BadInput`.
    """
    if not address or address == VIRTUAL:
        raise BadInput("No drive was named; give one such as /dev/sr0 or virtual:/path/of.sock.")
    if address.startswith(VIRTUAL):
        # Only here: whoever has real drives never loads the virtual one.
        from imagerd.devices.virtual.client import SocketTransport

        return SocketTransport(address.removeprefix(VIRTUAL))
    return SgTransport(address, exclusive=exclusive)
