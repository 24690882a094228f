# SPDX-License-Identifier: Apache-2.0
"""`imagerctl archive`: the daemon's main job for one disc, without the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.catalogs import catalog_options
from imagerd.cli.failures import finish
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.archive.stages import Outcome, Stage, Way
    from imagerd.base.config import Config


@click.command("archive")
@click.argument("drive")
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), help="The archive's folder."
)
@click.option(
    "-p",
    "--policy",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another policy for this disc, as in the configuration: output=cue, budget.minutes=5.",
)
@click.option("--again", is_flag=True, help="Though the archive has this disc already.")
@catalog_options
@output_options
def command(
    drive: str,
    folder: Path | None,
    settings: tuple[str, ...],
    again: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Bring the disc in DRIVE into the archive, without the daemon.

    DRIVE is /dev/srN, /dev/sgN, a link in /dev/disk/by-id, or virtual:SOCKET. What an interrupted
    run has read is kept, and the same call goes on from there. Exit code 0: every sector is good;
    1: there is an image, some sectors are bad; 3: the disc or the drive is at fault; 4: stopped by
    Ctrl-C after a checkpoint.

    \b
    Examples:
      imagerctl archive /dev/sr0
      imagerctl archive /dev/sr0 -o ~/discs --policy output=cue --policy eject=never
      imagerctl archive /dev/sr0 --policy budget.minutes=240 --policy budget.attempts=64
    """
    from imagerd.archive.stages import follow

    chosen = _config(config, folder, catalog, settings)
    _make_folder(chosen.archive.folder)  # better to learn now than after an hour of reading
    output = Output("archive", as_json=as_json, quiet=quiet)
    with _StageLine(quiet) as line:
        outcome = _archive(chosen, drive, again, lambda way: follow(way, line.show))
    output.tell(outcome, _lines)
    finish(outcome.exit_code)


def _config(
    file: Path | None, folder: Path | None, catalog: str | None, settings: tuple[str, ...]
) -> Config:
    from dataclasses import replace

    import msgspec

    from imagerd.base.config import CatalogConfig, catalog_url, load_config, override_policy

    config = load_config(file)
    if folder is not None:
        archive = msgspec.structs.replace(config.archive, folder=folder.absolute())
        config = replace(config, archive=archive)
    if catalog is not None:
        config = replace(config, catalog=CatalogConfig(url=catalog_url(catalog)))
    return replace(config, policy=override_policy(config.policy, settings))


def _make_folder(folder: Path) -> None:
    """Raise `NotAvailable` unless files can be written into `folder`, made if need be."""
    import os

    from imagerd.base.errors import NotAvailable

    reason = "you may not write there"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return
    except OSError as error:
        reason = error.strerror or str(error)
    raise NotAvailable(f"Cannot write into {folder}: {reason}; name another by --output.")


def _archive(
    config: Config, address: str, again: bool, go: Callable[[Way[Outcome]], Outcome]
) -> Outcome:
    from imagerd.archive.eject import eject_by_policy
    from imagerd.archive.run import archive_disc
    from imagerd.archive.stages import Control
    from imagerd.archive.watchful import Signals
    from imagerd.archive.world import Order, World
    from imagerd.catalog.catalog import Catalog
    from imagerd.devices.drive import OpticalDrive
    from imagerd.devices.transport import open_transport

    signals = Signals(config)
    signals.install()
    with (
        Catalog.open(config.catalog.url) as catalog,
        closing(OpticalDrive(open_transport(address))) as drive,
    ):
        world = World(config, catalog)
        outcome = go(archive_disc(drive, world, Order(again=again), Control(signals.stop)))
        eject_by_policy(drive, config.policy.eject, outcome)
        return outcome


class _StageLine:
    """The stages of the way as one line of progress."""

    def __init__(self, quiet: bool) -> None:
        from imagerd.cli.progress import ProgressLine

        self._line = ProgressLine("archive", enabled=False if quiet else None)

    def show(self, stage: Stage) -> None:
        """Draw a stage: what is done, and how much of the disc is bad so far."""
        from dataclasses import replace

        progress = stage.progress
        if _only_damage_is_left(stage):  # a percentage and a rate would tell nothing now
            progress = replace(progress, done=0, total=0)
        self._line.show(replace(progress, what=stage_words(stage)))

    def __enter__(self) -> _StageLine:
        self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.__exit__(kind, error, trace)


def stage_words(stage: Stage) -> str:
    """What is going on, the most important first: the end may be cut off.

    `14 bad, at most 59:12 more, pass 6: retrying`
    """
    words = []
    if stage.bad:
        words.append(f"{text.grouped(stage.bad)} bad")
    if stage.suspect:
        words.append(f"{text.grouped(stage.suspect)} doubtful")
    if _only_damage_is_left(stage) and stage.budget_left is not None:
        words.append(f"at most {text.clock(stage.budget_left)} more")
    what, state = stage.progress.what, stage.state.value if stage.state is not None else ""
    words.append(f"{state} {what}" if what.startswith("track") else what or state)
    return ", ".join(word for word in words if word)


def _only_damage_is_left(stage: Stage) -> bool:
    """Whether every sector that reads well has been read."""
    bad = stage.bad + stage.suspect
    return bool(bad) and stage.progress.done + bad >= stage.progress.total > 0


def _lines(outcome: Outcome) -> Iterator[str]:
    colour = {"done": text.good, "partial": text.doubtful, "failed": text.bad}
    state = colour.get(outcome.state.value, text.strong)(outcome.state.value)
    yield f"{state}  {text.clean(outcome.sentence)}"
    for note in outcome.notes:
        yield f"  {text.faint(text.clean(note))}"
