# SPDX-License-Identifier: Apache-2.0
"""The reference part of docs/configuration.md, out of the descriptions beside the keys.

``python -m tests.config_reference`` writes it into the page.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from pathlib import Path

import msgspec

from imagerd.base.settings import (
    ArchiveConfig,
    Budget,
    CatalogConfig,
    DaemonConfig,
    DriveConfig,
    Policy,
)
from imagerd.daemon.loader_config import LoaderKeys

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
BEGIN = "<!-- keys: written by python -m tests.config_reference -->\n"
END = "<!-- end of keys -->\n"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "archive": ArchiveConfig,
    "catalog": CatalogConfig,
    "daemon": DaemonConfig,
    "policy": Policy,
    "policy.budget": Budget,
    'drives."NAME"': DriveConfig,
    "loader.NAME": LoaderKeys,
}
VARYING = {
    "folder": "see *Folders*",
    "url": "`catalog.sqlite` in the state folder",
    "state": "see *Folders*",
    "runtime": "see *Folders*",
    "socket": "`imagerd.sock` in the runtime folder",
    "driver": "required",
    "drive": "required",
    "minutes": "by `effort`",
    "attempts": "by `effort`",
    "rounds_without_gain": "by `effort`",
    "retry_speeds": "by `effort`",
}
KINDS = {int: "whole number", float: "number", str: "text", bool: "true, false", Path: "path"}


def reference() -> str:
    """All sections as Markdown tables."""
    parts = []
    for section, kind in SECTIONS.items():
        hints = typing.get_type_hints(kind, include_extras=True)
        rows = [
            f"| `{f.name}` | {_kind(hints[f.name])} | {_default(f)} | {_meaning(hints[f.name])} |"
            for f in msgspec.structs.fields(kind)
            if not _is_table(f.type)
        ]
        head = "| key | value | default | meaning |\n|---|---|---|---|\n"
        parts.append(f"### [{section}]\n\n{head}" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _kind(hint: object) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        return _kind(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _kind(typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        return f"list of {_kind(typing.get_args(hint)[0])}s"
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{word}`" for word in typing.get_args(hint))
    assert isinstance(hint, type)
    if issubclass(hint, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    return KINDS.get(hint, hint.__name__.lower())


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT:
        return VARYING[field.name]
    if field.default is None:
        return VARYING.get(field.name, "none")
    if field.name == "minimum_free":
        return "`2 GiB`"
    return f"`{json.dumps(field.default)}`"


def _meaning(hint: object) -> str:
    for part in getattr(hint, "__metadata__", ()):
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    raise AssertionError(f"{hint} has no description")


def main() -> None:
    """Write the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + reference() + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
