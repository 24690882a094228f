# SPDX-License-Identifier: Apache-2.0
"""`[loader.NAME]` of the configuration: checked whole at start, before anything moves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from imagerd.base.config import Config, LoaderTable
from imagerd.base.config_errors import explain
from imagerd.base.errors import BadInput
from imagerd.devices.loaders.registry import check_loader

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")


class LoaderKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a `[loader.NAME]`."""

    driver: Annotated[str, Meta(description="the kind of loader: serial, person")]
    drive: Annotated[
        str, Meta(min_length=1, description="the drive that it feeds: sr0, or a path to it")
    ]
    port: Annotated[str, Meta(description="where it is plugged in; a person has none")] = ""
    profile: Annotated[
        str, Meta(description="a robot's table of letters: a name, or the path of a TOML file")
    ] = ""
    expect: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="discs in the stack, counted by hand")
    ] = None


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """A loader of the configuration. `address` is as `open_loader` takes it."""

    name: str
    driver: str
    drive: str
    address: str
    expect: int | None = None


def loader_configs(config: Config) -> dict[str, LoaderConfig]:
    """All loaders by name. Raises `BadInput` with one sentence that names file and table."""
    return {name: _checked(name, table, config.file) for name, table in config.loader.items()}


def _checked(name: str, table: LoaderTable, file: Path | None) -> LoaderConfig:
    where = str(file) if file is not None else "The configuration"
    section = f"loader.{name}"
    if not _NAME.match(name):
        raise BadInput(f"{where}: [{section}]: name a loader by letters, digits, dots, dashes.")
    try:
        keys = msgspec.convert(table, LoaderKeys, strict=True)
    except msgspec.ValidationError as error:
        raise BadInput(explain(str(error), LoaderKeys, section, where)) from None
    address = _address(keys, file)
    try:
        check_loader(address)
    except BadInput as error:
        raise BadInput(f"{where}: [{section}]: {error}") from error
    return LoaderConfig(name, keys.driver, keys.drive, address, keys.expect)


def _address(keys: LoaderKeys, file: Path | None) -> str:
    """Driver, port and profile in one; a profile's path is relative to the configuration."""
    profile = keys.profile
    if file is not None and ("/" in profile or profile.endswith(".toml")):
        profile = str(file.absolute().parent / Path(profile).expanduser())
    rest = [keys.port, f"profile={profile}"] if profile else [keys.port]
    return f"{keys.driver}:{','.join(rest)}" if any(rest) else keys.driver
