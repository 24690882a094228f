# SPDX-License-Identifier: Apache-2.0
"""Results for people and for programs: lines of text, or the same typed result as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TypeVar

import click

from imagerd.base.progress import Progress, Task, run
from imagerd.cli import text
from imagerd.cli.progress import ProgressLine

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])


def output_options(function: F) -> F:
    """The options `--json` and `--quiet`: a verb takes `as_json` and `quiet`."""
    function = click.option(
        "-q", "--quiet", is_flag=True, help="No progress, no text: only the exit code."
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        function
    )


class Output:
    """Where a verb's result goes: `tell` it, with a function that makes lines for people."""

    def __init__(self, verb: str, *, as_json: bool, quiet: bool) -> None:
        self.verb = verb
        self.as_json = as_json
        self.quiet = quiet

    @property
    def width(self) -> int | None:
        """Columns of the terminal that the result goes to; None if it goes elsewhere."""
        if not sys.stdout.isatty():
            return None
        import shutil

        return shutil.get_terminal_size().columns

    def tell(self, result: R, lines: Callable[[R], Iterable[str]]) -> None:
        """Print `result`: as JSON, as text, or not at all."""
        if self.as_json:
            click.echo(to_json(result))
        elif not self.quiet:
            width = self.width
            for line in lines(result):
                for part in [line] if width is None else text.wrap(line, width):
                    click.echo(part)

    def follow(self, task: Task[R], what: str = "") -> R:
        """Run a task with progress on a terminal."""
        enabled = False if self.quiet else None
        with ProgressLine(self.verb, enabled=enabled) as line:

            def show(progress: Progress) -> None:
                named = progress if progress.what or not what else _named(progress, what)
                line.show(named)

            return run(task, show)

    def note(self, sentence: str) -> None:
        """A remark on stderr, that belongs to no result."""
        if not self.quiet:
            click.echo(f"imagerctl: {sentence}", err=True)


def _named(progress: Progress, what: str) -> Progress:
    return Progress(progress.done, progress.total, progress.unit, what)


def to_json(result: object) -> str:
    """JSON of a typed result; indented on a terminal, one line in a pipe.

    Ranges are ``{"first": …, "last": …, "count": …}``, both ends included; paths are strings, and
    bytes of a name that are not UTF-8 show as the replacement character.
    """
    import msgspec

    data = msgspec.json.encode(_plain(result))
    if sys.stdout.isatty():
        data = msgspec.json.format(data, indent=2)
    return data.decode()


def _plain(value: object) -> object:
    """The value in what JSON knows; dataclasses become objects by their field names."""
    if isinstance(value, Enum):
        return value.value if isinstance(value, str) else value.name.lower()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Path):
        return _plain(str(value))
    if isinstance(value, range):
        return {"first": value.start, "last": value.stop - 1, "count": len(value)}
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in value]
    return _fields(value)


def _fields(value: object) -> object:
    import dataclasses

    import msgspec

    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value))

    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
