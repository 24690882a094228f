# SPDX-License-Identifier: Apache-2.0
"""What the verbs that talk to the daemon share: its socket, and its drives and jobs in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from imagerd.cli import text

if TYPE_CHECKING:
    from imagerd.daemon.client import Client
    from imagerd.daemon.protocol import DriveView, JobProgress, JobView, LoaderView

F = TypeVar("F", bound=Callable[..., object])

_GOOD = frozenset({"done"})
_BAD = frozenset({"failed", "cancelled"})


def socket_option(function: F) -> F:
    """The option `--socket`: a verb takes `socket`."""
    return click.option(
        "--socket",
        type=click.Path(path_type=Path),
        envvar="IMAGERD_SOCKET",
        help="The daemon's socket; by default that of the configuration.",
    )(function)


def connect(socket: Path | None) -> Client:
    """A client of the daemon."""
    from imagerd.base.config import load_config
    from imagerd.daemon.client import Client

    return Client(socket or load_config(client=True).daemon.socket)


def job_state(job: JobView) -> str:
    """The state, coloured by what it means."""
    if job.state in _BAD:
        return text.bad(job.state)
    if job.state in _GOOD:
        return text.good(job.state)
    return text.doubtful(job.state) if job.state in ("partial", "waiting", "paused") else job.state


def progress_words(progress: JobProgress) -> str:
    """`43 %  8.1 MB/s  1:20 left  2 bad`."""
    parts = []
    if progress.total:
        parts.append(f"{100 * progress.done / progress.total:3.0f} %")
    if progress.rate:
        parts.append(text.rate(progress.rate))
    if progress.eta is not None:
        parts.append(f"{text.clock(progress.eta)} left")
    if progress.bad:
        parts.append(text.bad(f"{text.grouped(progress.bad)} bad"))
    if progress.suspect:
        parts.append(text.doubtful(f"{text.grouped(progress.suspect)} doubtful"))
    if progress.what:
        parts.append(text.faint(text.clean(progress.what)))
    return "  ".join(parts)


def drive_lines(drive: DriveView) -> Iterator[str]:
    """One drive: its name, model and state, then its job or what is to be said."""
    yield f"{text.strong(drive.name)}  {text.clean(drive.model)}  {drive.state.value}"
    if drive.job is not None:
        job = drive.job
        yield f"  {text.clean(job.name) or 'a disc'}  {job_state(job)}  {text.faint(job.id[:8])}"
        if job.progress is not None:
            yield f"  {progress_words(job.progress)}"
    if drive.sentence:
        said = drive.sentence
        if drive.job is not None:
            said = said.removeprefix(f"{drive.job.name}: ")
        yield f"  {text.faint(text.clean(said))}"


def loader_state(loader: LoaderView) -> str:
    """Running, held or idle, coloured where a person must look."""
    if loader.held:
        return text.bad("held")
    return "running" if loader.running else "idle"


def loader_line(loader: LoaderView) -> str:
    """One loader: its name and state, the counts of its stack, and what is to be said."""
    counts = f"{text.grouped(loader.accepted)} accepted, {text.grouped(loader.rejected)} rejected"
    said = f"  {text.clean(loader.sentence)}" if loader.sentence else ""
    name = text.strong(f"loader {loader.name}")
    return f"{name}  {loader_state(loader)}  {counts}{said}"
