# SPDX-License-Identifier: Apache-2.0
"""Where a disc's way happens, and what was ordered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagerd.base.config import Config, DriveConfig
from imagerd.catalog.catalog import Catalog
from imagerd.devices.drive import DriveIdentity
from imagerd.devices.drives import stable_names
from imagerd.devices.offsets import read_offset
from imagerd.devices.udev_adapter import serials_of


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: with `job`, only that one; `again`, though the archive has the disc."""

    job: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """The configuration and the open catalog."""

    config: Config
    catalog: Catalog

    @property
    def workspaces(self) -> Path:
        """Where jobs have their folders."""
        return self.config.daemon.state / "jobs"

    def settings(self, drive: DriveIdentity) -> DriveConfig:
        """What the configuration says of a drive."""
        return drive_settings(self.config, drive.address, drive.serial)

    def read_offset(self, drive: DriveIdentity) -> int | None:
        """By how many samples its audio is corrected: as configured, else as its model is known.

        None if neither tells.
        """
        return drive_offset(self.config, drive)


def drive_offset(config: Config, drive: DriveIdentity) -> int | None:
    """The read offset of a drive: what `config` says, else what is known of its model."""
    configured = drive_settings(config, drive.address, drive.serial).read_offset
    return configured if configured is not None else read_offset(drive.vendor, drive.product)


def drive_settings(config: Config, address: str, serial: str = "") -> DriveConfig:
    """What `config` says of a drive, by serial number, by-id name, address or short name."""
    serials = (serial,) if serial else serials_of(address)
    names = (*serials, *stable_names(address), address, drive_name(address))
    return config.drive(*(name for name in names if name))


def drive_name(address: str) -> str:
    """The short name of a drive: ``sr0`` of /dev/sr0, ``demo`` of virtual:/run/…/demo.sock."""
    if address.startswith("virtual:"):
        return Path(address.removeprefix("virtual:")).stem
    return Path(address).name
