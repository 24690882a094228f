# SPDX-License-Identifier: Apache-2.0
"""What a person names is a sector source: an image's path, a drive's node, a virtual drive."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagerd.base.errors import BadInput, NotAvailable

if TYPE_CHECKING:
    from imagerd.cli.accounts import Accounts
    from imagerd.devices.drive import OpticalDrive
    from imagerd.disc.source import SectorSource
    from imagerd.formats import Image
    from imagerd.toolkit.account import Account

_VIRTUAL = "virtual:"


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened argument: `source` is the `image`, heeding its `account`, or the `drive`.

    `remarks` tell what could not be asked for an account.
    """

    name: str
    source: SectorSource
    image: Image | None = None
    drive: OpticalDrive | None = None
    account: Account | None = None
    remarks: tuple[str, ...] = ()

    @property
    def path(self) -> Path | None:
        """The image's file, or None for a drive."""
        return None if self.image is None else self.image.path


def is_drive(text: str) -> bool:
    """Whether the argument names a drive: `virtual:…`, or a device node."""
    if text.startswith(_VIRTUAL):
        return True
    try:
        mode = Path(text).stat().st_mode
    except OSError:
        return text.startswith("/dev/")
    return stat.S_ISBLK(mode) or stat.S_ISCHR(mode)


@contextmanager
def opened(
    text: str,
    accounts: Accounts | None = None,
    *,
    allow_outside: bool = False,
    glance: bool = False,
) -> Iterator[Opened]:
    """Open an argument for reading; closed at the end of the block.

    With `accounts`, sectors of an image that were not read when it was made come as FAILED.
    `glance`: what an image is packed in is taken at its word, see `imagerd.formats.open_image`.
    Raises the operator's errors for what is not there or no image, the medium's for a drive
    without a readable disc.
    """
    if is_drive(text):
        with closing(open_drive(text)) as drive:
            from imagerd.toolkit.drives import RefinedDrive

            yield Opened(text, RefinedDrive(drive), drive=drive)
        return
    with closing(_open_image(text, allow_outside, glance)) as image:
        if accounts is None:
            yield Opened(text, image, image)
            return
        account, remarks = accounts.of(image)
        source: SectorSource = image
        if account is not None:
            from imagerd.toolkit.account import accounted

            source = accounted(image, account)
        yield Opened(text, source, image, account=account, remarks=remarks)


def open_drive(text: str) -> OpticalDrive:
    """The drive of that name, with or without a disc in it."""
    from imagerd.devices.drive import OpticalDrive
    from imagerd.devices.transport import open_transport

    return OpticalDrive(open_transport(drive_address(text)))


def drive_address(text: str) -> str:
    """What `open_transport` takes: the daemon is asked where a virtual drive by name listens."""
    name = text.removeprefix(_VIRTUAL)
    if not text.startswith(_VIRTUAL) or "/" in name or Path(name).is_socket():
        return text
    from imagerd.base.config import load_config
    from imagerd.daemon.client import Client

    drives = {
        drive.name: drive.address
        for drive in Client(load_config(client=True).daemon.socket).virtual()
    }
    if name not in drives:
        known = ", ".join(sorted(drives)) or "none"
        raise NotAvailable(f"The daemon has no virtual drive {name!r}; it has: {known}.")
    return drives[name]


def _open_image(text: str, allow_outside: bool, glance: bool) -> Image:
    from imagerd.formats import open_image

    path = Path(text)
    if path.is_dir():
        raise BadInput(f"{text} is a folder; name an image in it.")
    if not path.exists():
        raise NotAvailable(f"There is no {text}; name an image or a drive such as /dev/sr0.")
    if path.suffix == ".scram":  # its place on the disc is by convention, no content tells it
        from imagerd.toolkit.redumper.reading import ScramImage

        return ScramImage(path)
    return open_image(path, allow_outside=allow_outside, glance=glance)
