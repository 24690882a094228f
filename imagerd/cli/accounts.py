# SPDX-License-Identifier: Apache-2.0
"""What is known of an image from when it was made: by the catalog, else by a map beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from imagerd.base.errors import BadInput, ImagerdError
from imagerd.base.places import may_have_catalog, plain_catalog
from imagerd.cli.catalogs import catalog_options, opened_catalog

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.records import ErrorRange
    from imagerd.catalog.records import Image as Known
    from imagerd.disc.source import Fault
    from imagerd.formats import Image
    from imagerd.toolkit.account import Account

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where to look for accounts, as the options say.

    A catalog that the options name must be there; that of the configuration may be missing.
    """

    catalog: str | None = None
    config: Path | None = None
    no_catalog: bool = False
    no_map: bool = False

    def of(self, image: Image) -> tuple[Account | None, tuple[str, ...]]:
        """The account of `image`, and remarks on what could not be asked."""
        remarks: list[str] = []
        account = None
        if not self.no_catalog:
            account = self._of_catalog(image, remarks)
        if account is None and not self.no_map:
            account = _of_map(image, remarks)
        return account, tuple(remarks)

    def _of_catalog(self, image: Image, remarks: list[str]) -> Account | None:
        named = self.catalog is not None or self.config is not None
        if not named and not may_have_catalog(os.environ):
            return None
        from imagerd.catalog.glance import surely_unknown

        paths = tuple(dict.fromkeys((image.path.absolute(), image.path.resolve())))
        plain = None if named else plain_catalog(os.environ)
        if plain is not None and surely_unknown(f"sqlite:///{plain}", paths):
            return None
        from imagerd.base.config import catalog_url, load_config

        try:
            if self.catalog:
                url = catalog_url(self.catalog)
            else:
                url = load_config(self.config, client=True).catalog.url
            if not named and surely_unknown(url, paths):
                return None
            with opened_catalog(url, None) as catalog:
                return _ask(catalog, image, paths)
        except ImagerdError as error:
            if named:
                raise
            remarks.append(f"The catalog was not asked: {error}")
            return None


def account_options(function: F) -> F:
    """Options for `Accounts`: a verb takes `catalog`, `config`, `no_catalog` and `no_map`."""
    function = click.option(
        "--no-map", is_flag=True, help="Do not heed a ddrescue map file beside the image."
    )(function)
    function = click.option(
        "--no-catalog", is_flag=True, help="Do not ask what the catalog knows of the image."
    )(function)
    return catalog_options(function)


def _of_map(image: Image, remarks: list[str]) -> Account | None:
    from imagerd.toolkit.beside import map_beside

    file = map_beside(image.path)
    if file is None:
        return None
    from imagerd.toolkit.maps import account_of_map

    try:
        return account_of_map(image, file)
    except BadInput as error:  # other programs call their files .map, too
        remarks.append(str(error))
        return None


def _ask(catalog: Catalog, image: Image, paths: Iterable[Path]) -> Account | None:
    for path in paths:
        try:
            known = catalog.images.find(str(path))
        except (BadInput, UnicodeEncodeError):  # a name that is not UTF-8 is in no catalog
            continue
        return account_of(image, known, catalog.errors.of_image(known.id))
    return None


def account_of(image: Image, known: Known, errors: Sequence[ErrorRange]) -> Account:
    """The account of `image` by what the catalog has of it."""
    from imagerd.disc.ranges import Extent
    from imagerd.toolkit.account import Account, Origin

    shift = shift_of(image, known)
    by_state: dict[str, list[range]] = {}
    repaired: list[range] = []
    for error in errors:
        area = range(error.lba - shift, error.end - shift)
        by_state.setdefault(error.state.value, []).append(area)
        if error.repaired:
            repaired.append(area)
    return Account(
        Origin.CATALOG,
        f"The catalog (image {known.id})",
        lost=Extent.of((*by_state.get("failed", ()), *by_state.get("unread", ()))),
        doubtful=Extent.of(by_state.get("suspect", ())),
        repaired=Extent.of(repaired),
        senses=tuple(_faults(errors, shift)),
        files=tuple((file.path, file.digests.sha256) for file in known.files),
    )


def shift_of(image: Image, known: Known) -> int:
    """The disc's address of the image's first sector: an .iso may be a later track of the disc."""
    if image.format != "iso" or known.format != "iso":
        return 0
    firsts = [track.index1 for track in known.tracks if track.mode != "audio"]
    return firsts[0] if firsts else 0


def _faults(errors: Iterable[ErrorRange], shift: int) -> Iterable[Fault]:
    from imagerd.disc.source import Fault, FaultKind

    for error in errors:
        if error.sense is not None and error.state.value in ("failed", "unread"):
            lba = error.lba - shift
            yield Fault(lba, error.count, FaultKind.FILLING, error.sense)
