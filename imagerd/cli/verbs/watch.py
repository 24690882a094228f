# SPDX-License-Identifier: Apache-2.0
"""`imagerctl watch`: the daemon at work, live."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.calls import (
    connect,
    drive_lines,
    job_state,
    loader_line,
    progress_words,
    socket_option,
)
from imagerd.cli.output import to_json

if TYPE_CHECKING:
    from imagerd.daemon.protocol import DriveView, JobView, LoaderView, Notice

_ENDED = frozenset({"done", "partial", "failed", "cancelled", "skipped"})


@click.command("watch")
@click.option("--once", is_flag=True, help="End when the next job ends; exit code 1 unless done.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as it happens.")
@socket_option
def command(once: bool, as_json: bool, socket: Path | None) -> None:
    """Show the daemon at work, live.

    On a terminal the drives are redrawn in place; in a pipe each event is a line. Ctrl-C ends the
    watching, not the work.

    \b
    Examples:
      imagerctl watch
      imagerctl watch --once && echo archived
      imagerctl watch --json | jq -r 'select(.kind == "job") | .job.state'
    """
    from imagerd.cli.failures import finish

    notices = connect(socket).events()
    if as_json:
        ended = _print(notices, once, lambda notice: [to_json(notice)])
    elif sys.stdout.isatty():
        ended = _redraw(notices, once)
    else:
        ended = _print(notices, once, _Lines().of)
    if once:
        finish(0 if ended is not None and ended.state == "done" else 1)


def _print(notices: Iterable[Notice], once: bool, lines: object) -> JobView | None:
    assert callable(lines)
    for notice in notices:
        for line in lines(notice):
            click.echo(line)
        sys.stdout.flush()
        if once and (ended := _ended(notice)) is not None:
            return ended
    return None


class _Lines:
    """Events as lines; progress only at each tenth part of a stage, and nothing said twice."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, int]] = {}
        self._drives: dict[str, str] = {}

    def of(self, notice: Notice) -> Iterator[str]:
        """The lines of one event."""
        if notice.status is not None:
            for drive in notice.status.drives:
                yield from drive_lines(drive)
            yield from map(loader_line, notice.status.loaders)
        elif notice.loader is not None:
            yield loader_line(notice.loader)
        elif notice.job is not None:
            yield from self._job(notice.job)
        elif notice.drive is not None and notice.drive.job is None:
            said = f": {notice.drive.sentence}" if notice.drive.sentence else ""
            line = f"{notice.drive.name}: {notice.drive.state.value}{said}"
            if self._drives.get(notice.drive.name) != line:
                self._drives[notice.drive.name] = line
                yield text.clean(line)

    def _job(self, job: JobView) -> Iterator[str]:
        progress = job.progress
        part = 0
        if progress is not None and progress.total:
            part = 10 * progress.done // progress.total
        mark = (f"{job.state} {progress.what if progress else ''}", part)
        if self._shown.get(job.id) == mark:
            return
        self._shown[job.id] = mark
        if progress is not None:
            words = progress_words(progress)
        else:
            words = text.clean(job.sentence.removeprefix(f"{job.name}: "))
        yield f"{text.clean(job.name) or 'disc'}: {job_state(job)}  {words}"


def _redraw(notices: Iterable[Notice], once: bool) -> JobView | None:
    """Keep a picture of all drives and loaders at the bottom of the terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    drives: dict[str, DriveView] = {}
    loaders: dict[str, LoaderView] = {}
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for notice in notices:
            _take(drives, notice)
            _take_loaders(loaders, notice)
            lines = [line for drive in drives.values() for line in drive_lines(drive)]
            lines += map(loader_line, loaders.values())
            live.update(Text.from_ansi("\n".join(lines)), refresh=True)
            if once and (ended := _ended(notice)) is not None:
                return ended
    return None


def _take(drives: dict[str, DriveView], notice: Notice) -> None:
    import msgspec

    if notice.status is not None:
        drives.clear()
        drives.update({drive.name: drive for drive in notice.status.drives})
    elif notice.drive is not None:
        drives[notice.drive.name] = notice.drive
    elif notice.job is not None and notice.job.drive in drives:
        known = drives[notice.job.drive]
        drives[notice.job.drive] = msgspec.structs.replace(known, job=notice.job)


def _take_loaders(loaders: dict[str, LoaderView], notice: Notice) -> None:
    if notice.status is not None:
        loaders.clear()
        loaders.update({loader.name: loader for loader in notice.status.loaders})
    elif notice.loader is not None:
        loaders[notice.loader.name] = notice.loader


def _ended(notice: Notice) -> JobView | None:
    job = notice.job
    return job if notice.kind == "job" and job is not None and job.state in _ENDED else None
