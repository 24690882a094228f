# SPDX-License-Identifier: Apache-2.0
"""The configuration: one TOML file, decoded strictly into frozen structures.

Looked for in this order: the path given (``--config``), ``IMAGERD_CONFIG``, for a plain user
``$XDG_CONFIG_HOME/imagerd/imagerd.toml``, then ``/etc/imagerd/imagerd.toml``; none is needed. The
environment variables ``IMAGERD_CATALOG`` and ``IMAGERD_SOCKET`` go before the file. A wrong key or
value is one `BadInput` sentence that names the file and the key.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from imagerd.base.config_errors import explain, parse_size
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.places import CATALOG, SOCKET, SYSTEM_FILE, Places, config_file, places_of
from imagerd.base.settings import (
    NAMING_FIELDS,
    ArchiveConfig,
    Budget,
    CatalogConfig,
    Config,
    DaemonConfig,
    DriveConfig,
    Duplicates,
    Eject,
    LoaderTable,
    Output,
    Policy,
    Size,
)

__all__ = [
    "NAMING_FIELDS",
    "SYSTEM_FILE",
    "ArchiveConfig",
    "Budget",
    "CatalogConfig",
    "Config",
    "DaemonConfig",
    "DriveConfig",
    "Duplicates",
    "Eject",
    "LoaderTable",
    "Output",
    "Places",
    "Policy",
    "Size",
    "catalog_url",
    "load_config",
    "override_policy",
    "parse_config",
]

S = TypeVar("S", bound=msgspec.Struct)


def load_config(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    client: bool = False,
) -> Config:
    """Find, read and check the configuration.

    Without a file, a `client` that a plain user runs means the system's daemon if that runs and
    the user's own does not. Raises `NotAvailable` for a file that was named but cannot be read,
    `BadInput` for its content.
    """
    named = path or (Path(environ["IMAGERD_CONFIG"]) if environ.get("IMAGERD_CONFIG") else None)
    file = named or config_file(environ)
    if file is None:
        return parse_config("", environ=environ, client=client)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotAvailable(f"Cannot read the configuration {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"The configuration {file} is not UTF-8 text; save it as such.") from error
    return parse_config(text, file=file, environ=environ)


def parse_config(
    text: str,
    *,
    file: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    client: bool = False,
) -> Config:
    """Check the TOML `text`. Relative paths in it are relative to the folder of `file`."""
    reader = _Reader(file)
    tables = reader.tables(text)
    places = places_of(file, environ, client=client)
    _fill(tables, places, environ)
    catalog = reader.convert(tables["catalog"], CatalogConfig, "catalog")
    return Config(
        archive=reader.convert(tables["archive"], ArchiveConfig, "archive"),
        catalog=CatalogConfig(url=reader.url(catalog.url)),
        daemon=reader.convert(tables["daemon"], DaemonConfig, "daemon"),
        policy=reader.convert(tables.get("policy", {}), Policy, "policy"),
        drives={
            name: reader.convert(table, DriveConfig, f'drives."{name}"')
            for name, table in reader.named(tables, "drives").items()
        },
        loader={
            name: reader.loader(name, table)
            for name, table in reader.named(tables, "loader").items()
        },
        file=file,
    )


def override_policy(policy: Policy, settings: Iterable[str]) -> Policy:
    """`policy` changed by settings as typed: ``output=iso``, ``budget.minutes=5``.

    Raises `BadInput`.
    """
    table: dict[str, object] = msgspec.to_builtins(policy)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"The policy setting {setting!r} is not of the form key=value.")
        place = table
        *parents, last = key.strip().split(".")
        for parent in parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise BadInput(f"The policy setting {key!r} has no keys below {parent!r}.")
            place = inner
        place[last] = _loose_value(value.strip())
    return _Reader(None, "The policy given").convert(table, Policy, "policy")


def catalog_url(text: str, folder: Path | None = None) -> str:
    """A SQLAlchemy URL out of a URL, or of the path of an SQLite file (relative to `folder`)."""
    if "://" in text:
        return text
    path = (folder or Path.cwd()) / Path(text).expanduser()
    return f"sqlite:///{quote(str(path))}"


def _loose_value(text: str) -> object:
    """A TOML value, or the bare text where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fill(tables: dict[str, object], places: Places, environ: Mapping[str, str]) -> None:
    """Give the keys without a constant default their values."""
    archive = tables.setdefault("archive", {})
    catalog = tables.setdefault("catalog", {})
    daemon = tables.setdefault("daemon", {})
    if isinstance(archive, dict):
        archive.setdefault("folder", str(places.archive))
    if isinstance(daemon, dict):
        daemon.setdefault("state", str(places.state))
        daemon.setdefault("runtime", str(places.runtime))
        daemon.setdefault("socket", f"{daemon['runtime']}/{SOCKET}")
        if environ.get("IMAGERD_SOCKET"):
            daemon["socket"] = str(Path(environ["IMAGERD_SOCKET"]).absolute())
    if isinstance(catalog, dict):
        state = daemon.get("state") if isinstance(daemon, dict) else None
        catalog.setdefault("url", f"{state or places.state}/{CATALOG}")
        if environ.get("IMAGERD_CATALOG"):
            catalog["url"] = catalog_url(environ["IMAGERD_CATALOG"])


class _Reader:
    """Converts tables of one file, with the file's name in every error."""

    def __init__(self, file: Path | None, what: str = "The configuration") -> None:
        self._file = str(file) if file is not None else what
        self._folder = file.absolute().parent if file is not None else Path.cwd()

    def tables(self, text: str) -> dict[str, object]:
        """The top level of the file, only known sections."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"{self._file} is not valid TOML: {error}.") from error
        known = {"archive", "catalog", "daemon", "policy", "drives", "loader"}
        for name in tables:
            if name not in known:
                names = ", ".join(f"[{name}]" for name in sorted(known))
                raise BadInput(f"{self._file} has {name!r} at the top; known are only {names}.")
        return tables

    def named(self, tables: Mapping[str, object], section: str) -> dict[str, object]:
        """A section whose keys are names that the user gives."""
        table = tables.get(section, {})
        if not isinstance(table, dict):
            raise BadInput(f"{self._file}: {section} must be a table of tables.")
        return table

    def loader(self, name: str, table: object) -> LoaderTable:
        """A `[loader.NAME]`: only its driver is checked here."""
        if not isinstance(table, dict) or not isinstance(table.get("driver"), str):
            raise BadInput(f'{self._file}: [loader.{name}] needs driver = "…", the kind of loader.')
        return table

    def url(self, text: str) -> str:
        """The catalog's URL, a path made one."""
        return catalog_url(text, self._folder)

    def convert(self, table: object, kind: type[S], section: str) -> S:
        """`table` as a `kind`; raises `BadInput`."""
        try:
            return msgspec.convert(table, kind, strict=True, dec_hook=self._decode)
        except msgspec.ValidationError as error:
            raise BadInput(explain(str(error), kind, section, self._file)) from None

    def _decode(self, kind: type, value: object) -> object:
        if kind is Path:
            if not isinstance(value, str) or not value:
                raise ValueError("must be a path in quotes")
            return self._folder / Path(value).expanduser()
        if kind is Size:
            return Size(parse_size(value))
        raise NotImplementedError(kind)
