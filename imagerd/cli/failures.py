# SPDX-License-Identifier: Apache-2.0
"""What a person sees when something goes wrong: one sentence and an exit code, no traceback.

The codes are those of `imagerd.base.errors.ExitCode`, and what shells expect of a process that a
signal ended: 130 after Ctrl-C, 141 when the reader of a pipe went away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from imagerd import __version__
from imagerd.base.errors import ExitCode, ImagerdError, InternalError

INTERRUPT = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE


class Failure(click.ClickException):
    """One sentence on stderr and an exit code; an empty sentence says nothing."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code  # type: ignore[misc]  # click sets it per instance, too

    def show(self, file: IO[str] | None = None) -> None:
        """Print `imagerctl: sentence`."""
        if self.message:
            for line in _fitting(f"imagerctl: {self.message}"):
                click.echo(line, err=True)


def _fitting(line: str) -> list[str]:
    """The line as a terminal can show it; whole in a pipe."""
    if not sys.stderr.isatty():
        return [line]
    import shutil

    from imagerd.cli import text

    return text.wrap(line, shutil.get_terminal_size().columns)


def finish(code: ExitCode | int) -> None:
    """End the verb with `code`, quietly: the result has been shown."""
    if code:
        raise click.exceptions.Exit(int(code))


def flush() -> None:
    """Bring the output out now, while a broken pipe can still be told from a bug."""
    sys.stdout.flush()


@contextmanager
def told() -> Iterator[None]:
    """Turn exceptions into `Failure`s; click prints them and exits."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except BrokenPipeError:
        _drop_stdout()
        raise Failure("", BROKEN_PIPE) from None
    except KeyboardInterrupt:
        raise Failure("Interrupted.", INTERRUPT) from None
    except Exception as error:  # the outermost door
        raise failure_of(error) from error


def failure_of(error: Exception) -> Failure:
    """An error as a sentence and an exit code; what is neither ours nor the system's is a bug."""
    if isinstance(error, InternalError):
        return _bug(error)
    if isinstance(error, ImagerdError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, OSError):
        return Failure(_system_sentence(error), ExitCode.OPERATOR)
    return _bug(error)


def _system_sentence(error: OSError) -> str:
    """A system's refusal that no room has put into words: where and what."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."


def _bug(error: Exception) -> Failure:
    sentence = f"This is a bug in imagerd: {type(error).__name__}: {error}"
    path = _write_traceback(error)
    if path is None:
        return Failure(f"{sentence}; its traceback could not be saved.", ExitCode.INTERNAL)
    return Failure(f"{sentence}; please report it with {path}.", ExitCode.INTERNAL)


def _write_traceback(error: Exception) -> Path | None:
    """Save the traceback where it survives the terminal; None if nowhere can be written."""
    import tempfile
    import time
    import traceback

    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    text = f"imagerd {__version__}, Python {sys.version}\n{sys.argv}\n\n"
    text += "".join(traceback.format_exception(error))
    name = f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (state / "imagerd", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        except OSError:
            continue
        return folder / name
    return None


def _drop_stdout() -> None:
    """Point stdout to nowhere, so that the interpreter's last flush does not complain."""
    try:
        descriptor = sys.stdout.fileno()
    except OSError:  # stdout is not a file (a test's buffer)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
