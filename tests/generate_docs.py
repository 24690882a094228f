# SPDX-License-Identifier: Apache-2.0
"""The generated pages of docs/: `make docs`, which is ``python -m tests.generate_docs``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from imagerd.cli import verbs
from imagerd.cli.main import cli
from tests import config_reference, format_reference

DOCS = Path(__file__).parent.parent / "docs"
CLI_PAGE = DOCS / "cli.md"
# So that the page does not depend on somebody's terminal.
WIDTH = 92

_HEAD = """\
<!-- Written by `make docs` out of the commands' own help. Do not edit. -->
# imagerctl

Every verb works on a terminal and in a pipe: progress shows only on a terminal (on stderr),
colours only there and never with `NO_COLOR`. `--json` prints the result as JSON, one document for
each source, `--quiet` nothing. Ranges of sectors in JSON are
`{"first": 10, "last": 19, "count": 10}`, both ends included. What went wrong is one sentence on
stderr; the exit codes are in [exit-codes.md](exit-codes.md).
"""


def cli_page() -> str:
    """docs/cli.md."""
    root = click.Context(
        cli, info_name="imagerctl", terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    parts = [_HEAD, _help(root)]
    for verb in verbs.VERBS:
        parts += _sections(click.Context(verb.load(), root, info_name=verb.name), 2)
    return "\n".join(parts)


def _sections(context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}\n"
    yield _help(context)
    if isinstance(context.command, click.Group):
        for name in sorted(context.command.commands):
            sub = click.Context(context.command.commands[name], context, info_name=name)
            yield from _sections(sub, level + 1)


def _help(context: click.Context) -> str:
    text = click.unstyle(context.command.get_help(context))
    return "```text\n" + "\n".join(line.rstrip() for line in text.splitlines()) + "\n```\n"


def main() -> None:
    """Write all generated pages."""
    config_reference.main()
    format_reference.main()
    CLI_PAGE.write_text(cli_page())


if __name__ == "__main__":
    main()
