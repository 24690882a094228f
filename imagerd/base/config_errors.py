# SPDX-License-Identifier: Apache-2.0
"""What msgspec says about a wrong configuration, as one sentence that a person can act on."""

from __future__ import annotations

import difflib
import re
import typing
from enum import Enum

import msgspec

_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_EXPECTED = re.compile(r"Expected `([^`]*)`(?: (of length )?([<>=]+ [\d.]+))?(?:, got `([^`]*)`)?")
_ENUM = re.compile(r"Invalid enum value (.*)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B|B)?", re.IGNORECASE)
_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}


def explain(message: str, kind: type[msgspec.Struct], section: str, file: str) -> str:
    """The sentence for msgspec's `message` about the table `section`, which should be a `kind`."""
    match = _WHERE.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    keys = [key for key in path.replace("[...]", "").strip(".").split(".") if key]
    if unknown := _UNKNOWN.search(what):
        table = ".".join([section, *keys])
        return f"{file}: [{table}] has no key {unknown[1]!r}{_hint(unknown[1], kind, keys)}."
    where = f"{keys[-1]} in [{'.'.join([section, *keys[:-1]])}]" if keys else f"[{section}]"
    return f"{file}: {where} {_wanted(what, kind, keys)}."


def parse_size(value: object) -> int:
    """Bytes of a whole number, or of text like "20 GiB" or "700 MB"; raises `ValueError`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be a size such as "20 GiB"')
    power = " KMGT".index(match[2].upper()) if match[2] else 0
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _wanted(what: str, kind: type[msgspec.Struct], keys: list[str]) -> str:
    if members := _enum_of(kind, keys):
        invalid = _ENUM.match(what)
        words = ", ".join(str(member.value) for member in members)
        return f"{f'is {invalid[1]} but ' if invalid else ''}must be one of: {words}"
    if expected := _EXPECTED.match(what):
        names = " or ".join(_NAMES.get(n.strip(), n.strip()) for n in expected[1].split("|"))
        limit = "" if not expected[3] else f" {'of length ' if expected[2] else ''}{expected[3]}"
        got = f", not {_NAMES.get(expected[4], expected[4])}" if expected[4] else ""
        return f"must be {names}{limit}{got}"
    return what.rstrip(".")


def _hint(wrong: str, kind: type[msgspec.Struct], keys: list[str]) -> str:
    table = _struct_at(kind, keys)
    names = table.__struct_fields__ if table is not None else ()
    close = difflib.get_close_matches(wrong, names, 1)
    return f"; did you mean {close[0]!r}" if close else f"; it knows {', '.join(names)}"


def _struct_at(kind: type[msgspec.Struct], keys: list[str]) -> type[msgspec.Struct] | None:
    for key in keys:
        inner = typing.get_type_hints(kind).get(key)
        if not (isinstance(inner, type) and issubclass(inner, msgspec.Struct)):
            return None
        kind = inner
    return kind


def _enum_of(kind: type[msgspec.Struct], keys: list[str]) -> list[Enum]:
    table = _struct_at(kind, keys[:-1])
    # the last key may be an index into a list, as in `speeds[1]`: then there is no such hint
    hint = typing.get_type_hints(table).get(keys[-1]) if table is not None and keys else None
    return list(hint) if isinstance(hint, type) and issubclass(hint, Enum) else []
