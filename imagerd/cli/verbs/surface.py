# SPDX-License-Identifier: Apache-2.0
"""`imagerctl surface`: the map of a disc's surface, on the terminal or as a picture."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput
from imagerd.cli import pictures, text
from imagerd.cli.catalogs import catalog_options
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.disc.layout import Layout
    from imagerd.recovery.looking import Look
    from imagerd.recovery.picture.surface import Picture
    from imagerd.recovery.picture.terminal import Terminal
    from imagerd.recovery.sectormap import SectorMap

_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class _Told:
    """`sectors` by state, or by failed attempts; `written` is the file."""

    name: str
    shown: str
    sectors: dict[str, int]
    written: Path | None


@click.command("surface")
@click.argument("what", metavar="IMAGE-OR-JOB")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture instead: FILE.svg or FILE.png.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@click.option("--effort", is_flag=True, help="Colour by the attempts that failed, not by state.")
@click.option("--live", is_flag=True, help="Redraw while the job is at work.")
@catalog_options
@output_options
def command(
    what: str,
    target: Path | None,
    overwrite: bool,
    effort: bool,
    live: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw the surface of a disc: where on it sectors are bad.

    Radius and angle are those of the spiral that every disc is, so a scratch looks like a scratch.
    A spot shows the worst of its sectors: failed, unread (never tried), suspect (may be wrong),
    repaired (by parity), read, proven. Layers of a DVD or BD are side by side.

    IMAGE-OR-JOB is an image with its report or a ddrescue map file beside it, a report, the folder
    of a job, or an id or name that the catalog knows. With --live the map is redrawn until the
    job ends; Ctrl-C ends the watching, not the work.

    \b
    Examples:
      imagerctl surface 12
      imagerctl surface GAME_1a2b3c4d -o game.png
      imagerctl surface rescued.iso --effort
      imagerctl surface 3f2a --live
    """
    if live:
        if target is not None or as_json:
            raise click.UsageError("--live draws on the terminal: without -o and --json.")
        _live(pictures.find(what, catalog, config, at_work=True), effort=effort)
        return
    if target is not None and target.suffix.lower() not in (".svg", ".png"):
        raise click.UsageError("The name of the picture must end in .svg or .png.")
    output = Output("surface", as_json=as_json, quiet=quiet)
    subject = pictures.load(pictures.find(what, catalog, config))
    picture = _picture(subject.sectors, subject.layout, subject.name, effort=effort)
    if target is not None:
        _write(target, picture, overwrite=overwrite)
    names = [tone.name for tone in picture.scheme.tones]
    counts = dict(zip(names, picture.counts, strict=True))
    told = _Told(subject.name, picture.scheme.name, counts, target)
    output.tell(told, lambda _: _lines(picture, target))


def _picture(sectors: SectorMap, layout: Layout, title: str, *, effort: bool) -> Picture:
    from imagerd.recovery.picture.surface import effort_picture, state_picture

    return (effort_picture if effort else state_picture)(sectors, layout, title)


def _write(target: Path, picture: Picture, *, overwrite: bool) -> None:
    from imagerd.base.files import AtomicFile
    from imagerd.recovery.picture.png import png
    from imagerd.recovery.picture.svg import svg

    data = svg(picture).encode() if target.suffix.lower() == ".svg" else png(picture)
    with AtomicFile(target, overwrite=overwrite) as file:
        file.stream.write(data)
        file.commit()


def _lines(picture: Picture, target: Path | None) -> list[str]:
    from imagerd.recovery.picture.terminal import drawn

    if target is not None:
        return [text.clean(str(target))]
    return drawn(picture, pictures.terminal())


def _live(place: pictures.Place, *, effort: bool) -> None:
    """Follow the job's journal; nothing of the job is touched."""
    if place.job is None:
        raise BadInput("Only a job can be watched; name its folder, or its id in the catalog.")
    if not sys.stdout.isatty():
        raise click.UsageError("--live needs a terminal.")
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from imagerd.archive.hold import is_held
    from imagerd.recovery.looking import Look

    screen = Live(
        console=Console(highlight=False), auto_refresh=False, redirect_stdout=False
    )  # redirected, stdout would be no terminal any more
    with Look(place.job) as look, screen as live:
        while True:
            at_work = is_held(place.job)  # before the last look, which then is of the end
            look.catch_up()
            lines = _frame(look, effort, pictures.terminal())
            live.update(Text.from_ansi("\n".join(lines)), refresh=True)
            if not at_work:
                break
            time.sleep(_EVERY)
    click.echo("Nobody works on the job any more.")


def _frame(look: Look, effort: bool, terminal: Terminal) -> list[str]:
    from imagerd.recovery.picture.terminal import drawn
    from imagerd.recovery.sectormap import GOOD

    part = 100 * look.map.count(*GOOD) / len(look.map)
    name = look.job.labels.get("disc") or look.folder.name
    title = f"{name}  {look.passing or 'not begun'}  {part:.1f} % good"
    return drawn(_picture(look.map, look.layout, title, effort=effort), terminal)
