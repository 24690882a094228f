# SPDX-License-Identifier: Apache-2.0
"""Profiles of one-letter robots: a table per make, because the letters conflict between makes.

A profile is TOML, shipped in `profiles/` or written by the operator. `base` names a shipped one
whose tables it starts from; each key of a table then replaces the base's.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from imagerd.base.errors import BadInput
from imagerd.devices.loaders.contract import Motion, Place

Table = dict[str, object]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says that we do not know is a mistake, not a wish."""


class Step(_Strict, frozen=True):
    """One letter, and which disc it moves from where to where."""

    send: str
    source: Place = msgspec.field(name="from")
    target: Place = msgspec.field(name="to")

    @property
    def motion(self) -> Motion:
        """The step as the journal knows it."""
        return Motion(self.source, self.target, self.send)


class LineSettings(_Strict, frozen=True):
    """The serial line: 9600 8N1 without flow control unless the table says otherwise."""

    baud: int = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    rtscts: bool = False


class Commands(_Strict, frozen=True):
    """The letters. `load`, `unload`, `reject` in steps; `clear` empties the gripper."""

    load: tuple[Step, ...]
    unload: tuple[Step, ...]
    reject: tuple[Step, ...]
    clear: tuple[Step, ...] = ()
    home: tuple[Step, ...] = ()
    version: str = ""
    status: str = ""


class Replies(_Strict, frozen=True):
    """What it answers: one byte for a move; `*_empty` are status codes that say so."""

    success: str = "X"
    failure: str = "E"
    input_empty: tuple[int, ...] = (22,)
    tray_empty: tuple[int, ...] = (21,)


class Quirks(_Strict, frozen=True):
    """What some units do.

    `sign_on`: asks for the version first. `error_on_low_stack`: a refused load says nothing.
    """

    sign_on: bool = False
    error_on_low_stack: bool = False


class Timing(_Strict, frozen=True):
    """Seconds: the longest a move may take, the longest a text may, the pause that ends one."""

    move: float = 60.0
    text: float = 3.0
    quiet: float = 0.2


class Profile(_Strict, frozen=True):
    """One make of robot."""

    name: str
    commands: Commands
    description: str = ""
    base: str = ""
    line: LineSettings = LineSettings()
    replies: Replies = Replies()
    quirks: Quirks = Quirks()
    timing: Timing = Timing()
    status: dict[str, str] = {}

    def source_empty(self, motion: Motion, code: int | None) -> bool:
        """Whether status `code` says that there was no disc for `motion` to take."""
        replies = self.replies
        empty = {Place.INPUT: replies.input_empty, Place.DRIVE: replies.tray_empty}
        return code in empty.get(motion.source, ())

    def meaning(self, code: int) -> str:
        """What a status code says, in words."""
        return self.status.get(f"{code:02d}", f"status {code:02d}, which its table does not know")


def shipped_profiles() -> tuple[str, ...]:
    """The names of the profiles that come with imagerd, sorted."""
    folder = resources.files(__package__) / "profiles"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_profile(name: str) -> Profile:
    """The shipped profile `name`, or the one in the file `name` if that is a path.

    Raises `BadInput` with one sentence: no such profile, not TOML, or a value that cannot be.
    """
    is_path = "/" in name or name.endswith(".toml")
    return parse_profile(_read(Path(name)) if is_path else _shipped(name), where=name)


def parse_profile(text: str, *, where: str = "profile") -> Profile:
    """The profile in `text`; `where` names it in the sentence of a `BadInput`."""
    table = _tables(text, where)
    base = table.get("base", "")
    if isinstance(base, str) and base:
        table = _merged(_tables(_shipped(base), base), table)
    try:
        profile = msgspec.convert(table, Profile)
    except msgspec.ValidationError as error:
        raise BadInput(f"The loader profile {where} is wrong: {error}.") from error
    _check(profile, where)
    return profile


def _tables(text: str, where: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"The loader profile {where} is not TOML: {error}.") from error


def _merged(base: Table, own: Table) -> Table:
    """`own` over `base`, key by key within each table."""
    merged: Table = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        both = isinstance(value, dict) and isinstance(below, dict)
        merged[key] = {**below, **value} if both else value  # type: ignore[dict-item]
    return merged


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"Cannot read the loader profile {path}: {error}.") from error


def _shipped(name: str) -> str:
    known = shipped_profiles()
    if name not in known:
        raise BadInput(f"No loader profile {name!r}; there are {', '.join(known)}, or give a path.")
    return (resources.files(__package__) / "profiles" / f"{name}.toml").read_text(encoding="utf-8")


def _check(profile: Profile, where: str) -> None:
    """What types cannot say: one ASCII letter a command, and discs that go where they should."""
    commands = profile.commands
    verbs = (commands.load, commands.unload, commands.reject, commands.clear, commands.home)
    letters = [step.send for steps in verbs for step in steps]
    letters += [text for text in (commands.version, commands.status) if text]
    letters += [profile.replies.success, profile.replies.failure]
    for letter in letters:
        if len(letter) != 1 or not letter.isascii():
            raise BadInput(f"The loader profile {where} is wrong: {letter!r} is not one letter.")
    for verb, steps, first, last in (
        ("load", commands.load, Place.INPUT, Place.DRIVE),
        ("unload", commands.unload, Place.DRIVE, Place.ACCEPT),
        ("reject", commands.reject, Place.DRIVE, Place.REJECT),
    ):
        chain = [step.source for step in steps[:1]] + [step.target for step in steps]
        joined = all(a.target is b.source for a, b in pairwise(steps))
        if not joined or chain[:1] != [first] or chain[-1:] != [last]:
            raise BadInput(
                f"The loader profile {where} is wrong: {verb} must lead from {first} to {last}."
            )
