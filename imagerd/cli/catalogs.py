# SPDX-License-Identifier: Apache-2.0
"""The options that say which catalog a verb looks into, and times as people write and read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog

F = TypeVar("F", bound=Callable[..., object])


def catalog_options(function: F) -> F:
    """The options `--catalog` and `--config`: a verb takes `catalog` and `config`."""
    function = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Use this configuration instead of the one in its place.",
    )(function)
    return click.option(
        "--catalog",
        metavar="URL",
        help="Look into this catalog: a path, or a SQLAlchemy URL. Else IMAGERD_CATALOG or the "
        "configuration tells.",
    )(function)


@contextmanager
def opened_catalog(catalog: str | None, config: Path | None) -> Iterator[Catalog]:
    """The catalog that the options mean, for reading."""
    from imagerd.catalog.catalog import Catalog

    with Catalog.open(located(catalog, config), read_only=True) as found:
        yield found


def located(catalog: str | None, config: Path | None) -> str:
    """The URL of the catalog that the options mean."""
    from imagerd.base.config import catalog_url, load_config

    return catalog_url(catalog) if catalog else load_config(config, client=True).catalog.url


def day(time: datetime | None) -> str:
    """The local day and minute, for people."""
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M")


def stamp(time: datetime | None) -> str | None:
    """ISO 8601 in UTC, for programs."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")
