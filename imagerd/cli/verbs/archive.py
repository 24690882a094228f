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
        words = [stage.state.value if stage.state is not None else "", progress.what]
        if stage.bad:
            words.append(f"{stage.bad} bad")
        self._line.show(replace(progress, what=" ".join(word for word in words if word)))

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


def _lines(outcome: Outcome) -> Iterator[str]:
    colour = {"done": text.good, "partial": text.doubtful, "failed": text.bad}
    yield f"{colour.get(outcome.state.value, text.strong)(outcome.state.value)}: " + text.clean(
        outcome.sentence
    )
    for note in outcome.notes:
        yield f"  {text.faint(text.clean(note))}"
