# SPDX-License-Identifier: Apache-2.0
"""The door of `imagerctl`: a click group that imports a verb only when it is called."""

from __future__ import annotations

import atexit
import gc
import os

import click
from click.shell_completion import CompletionItem

from imagerd import __version__
from imagerd.cli import failures, verbs

_EPILOG = """\
\b
SOURCE is an image (game.cue, disc.iso) or a drive (/dev/sr0, a link in
/dev/disk/by-id, virtual:NAME). Every verb has --help with examples.
"""


class Imagerctl(click.Group):
    """A group over the table of verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the table's order."""
        return [verb.name for verb in verbs.VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        verb = verbs.find(cmd_name)
        return None if verb is None else verb.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess for a misspelt verb."""
        name = args[0]
        if verbs.find(name) is None and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"There is no verb {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by section, from the table: nothing is imported."""
        for section in verbs.SECTIONS:
            rows = [(verb.name, verb.summary) for verb in verbs.VERBS if verb.section == section]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs from the table, options as click does."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(verb.name, help=verb.summary)
            for verb in verbs.VERBS
            if verb.name.startswith(incomplete)
        ]

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """As click does; `--help` prints here, and its reader may go away, too."""
        with failures.told():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run a verb; whatever goes wrong becomes one sentence and an exit code."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        with failures.told():
            result: object = super().invoke(ctx)
            failures.flush()
            return result


@click.group(
    cls=Imagerctl,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__, "-V", "--version", prog_name="imagerctl", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Image optical discs, and verify, compare and convert what came out."""


def main() -> None:
    """The console script."""
    # numpy would start a pool of threads for linear algebra, which we do not do. Without threads
    # it loads faster, and `verify` may fork its workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What was imported lives to the end, where the interpreter would search all of it for cycles.
    atexit.register(gc.freeze)
    cli.main(prog_name="imagerctl")


if __name__ == "__main__":
    main()
