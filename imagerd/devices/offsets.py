# SPDX-License-Identifier: Apache-2.0
"""How far drives place audio from where it is: read offsets by model, from published facts.

The table is `offsets.toml`; a model that is not in it is not guessed from its relatives, as one
letter more can mean another maker's drive in the same case.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType


def read_offset(vendor: str, product: str) -> int | None:
    """Audio samples to correct by, AccurateRip's sign; None for a model that the table lacks.

    `vendor` and `product` are INQUIRY's. Case, the number of blanks, "/" for "-" and "_" for a
    blank do not matter; all else does.
    """
    return _table().get((_plain(vendor), _plain(product)))


@cache
def _table() -> Mapping[tuple[str, str], int]:
    text = (resources.files(__package__) / "offsets.toml").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> Mapping[tuple[str, str], int]:
    """The offsets of a table, by normalised vendor and product.

    Raises `ValueError` for a model that is in it twice.
    """
    found: dict[tuple[str, str], int] = {}
    for vendor, offsets in tomllib.loads(text).items():
        for samples, products in offsets.items():
            for product in products:
                model = _plain(vendor), _plain(product)
                if model in found:
                    raise ValueError(f"{vendor} {product} is in the table of offsets twice")
                found[model] = int(samples)
    return MappingProxyType(found)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("/", "-").split()).casefold()
