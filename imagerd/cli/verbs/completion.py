# SPDX-License-Identifier: Apache-2.0
"""`imagerctl completion`: the script that teaches a shell our verbs, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from imagerd.base.errors import InternalError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      imagerctl completion bash > ~/.local/share/bash-completion/completions/imagerctl
      imagerctl completion zsh > ~/.zfunc/_imagerctl
      imagerctl completion fish > ~/.config/fish/completions/imagerctl.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise InternalError(f"click knows no completion for {shell}")
    root = ctx.find_root()
    click.echo(kind(root.command, {}, "imagerctl", "_IMAGERCTL_COMPLETE").source())
