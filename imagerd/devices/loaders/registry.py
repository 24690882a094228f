# SPDX-License-Identifier: Apache-2.0
"""Which loaders there are. A driver's module is imported only when it is asked for.

An address is ``KIND`` or ``KIND:REST``, as ``person`` or ``serial:/dev/ttyUSB0,profile=generic``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from types import ModuleType
from typing import cast

from imagerd.base.errors import BadInput
from imagerd.devices.loaders.contract import Loader, Tray
from imagerd.devices.loaders.prompts import Ask


class Kind(StrEnum):
    """The kinds of loader; the value is what an address begins with."""

    SERIAL = "serial"
    PERSON = "person"


_MODULES = {
    Kind.SERIAL: "generic_serial",
    Kind.PERSON: "person",
}


@dataclass(frozen=True, slots=True)
class Context:
    """What a driver may need besides its address.

    `tray` and `ask` are for those that work with people; `profile` is the default table.
    """

    tray: Tray | None = None
    ask: Ask | None = None
    profile: str = "generic"


def open_loader(address: str, context: Context | None = None) -> Loader:
    """The loader at `address`.

    Raises `BadInput` for an address that is none, `LoaderLost` if its port cannot be opened.
    """
    known, rest = _split(address)
    create = cast(Callable[[str, Context], Loader], _module(known).create)
    return create(rest, context or Context())


def check_loader(address: str, context: Context | None = None) -> None:
    """Raise `BadInput` unless `address` is one that `open_loader` understands; opens nothing."""
    kind, rest = _split(address)
    check = cast(Callable[[str, Context], None], _module(kind).check)
    check(rest, context or Context())


def _split(address: str) -> tuple[Kind, str]:
    kind, _, rest = address.partition(":")
    try:
        return Kind(kind), rest
    except ValueError:
        kinds = ", ".join(Kind)
        raise BadInput(f"{kind!r} is no kind of loader; the kinds are {kinds}.") from None


def _module(kind: Kind) -> ModuleType:
    return import_module(f"{__package__}.{_MODULES[kind]}")
