# SPDX-License-Identifier: Apache-2.0
"""`imagerctl dat`: lists of known dumps, and a list of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode, OperatorError
from imagerd.base.files import refuse_existing, write_text_atomically
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.catalogs import catalog_options, day, located, opened_catalog, stamp
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import opened

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.records import Dat, DatImport
    from imagerd.catalog.records import Image as Known
    from imagerd.toolkit.dat.records import Game


@dataclass(frozen=True, slots=True)
class _Dat:
    id: int
    name: str
    system: str
    publisher: str
    version: str
    date: str
    form: str
    games: int
    files: int
    source: str
    imported: str | None
    replaced: str | None = None  # the version whose place it took


@dataclass(frozen=True, slots=True)
class _Imported:
    dats: tuple[_Dat, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    target: str
    games: int
    files: int
    left_out: tuple[str, ...]


@click.group("dat")
def command() -> None:
    """Keep lists of known dumps (DATs), and write one of your own discs.

    DATs as Redump, No-Intro and TOSEC publish them (Logiqx XML), and the software lists of MAME
    are kept in the catalog; `imagerctl match` looks discs up in them.

    \b
    Examples:
      imagerctl dat import "Sony - PlayStation (2026-05-04).zip"
      imagerctl dat list
      imagerctl dat remove "Sony - PlayStation"
      imagerctl dat write --all -o mine.dat
    """


@command.command("import")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--force", is_flag=True, help="Though the catalog has a newer version of it.")
@catalog_options
@output_options
def import_(
    files: tuple[Path, ...],
    force: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Import DATs, or zip archives of them, into the catalog.

    A DAT takes the place of an older version of the same name and publisher. Exit code: 2 if one
    was refused; what the others said is kept.
    """
    from imagerd.catalog.catalog import Catalog

    output = Output("dat", as_json=as_json, quiet=quiet)
    made: list[DatImport] = []
    refused: list[str] = []
    with Catalog.open(located(catalog, config)) as known:
        for file in files:
            _import(known, file, force, made, refused)
    told = _Imported(tuple(_imported(entry) for entry in made), tuple(refused))
    output.tell(told, _import_lines)
    for sentence in refused:
        output.note(text.clean(sentence))
    failures.finish(ExitCode.OPERATOR if refused else ExitCode.OK)


def _import(
    catalog: Catalog, file: Path, force: bool, made: list[DatImport], refused: list[str]
) -> None:
    """Each DAT of the file for itself: one that is refused does not keep out the others."""
    from imagerd.toolkit.dat.opening import read_dats

    try:
        for said in read_dats(file):
            try:
                made += catalog.dats.enter(said, file.name, force=force)
            except OperatorError as error:
                refused.append(str(error))
    except BadInput as error:
        refused.append(str(error))


def _imported(entry: DatImport) -> _Dat:
    before = entry.before
    replaced = None if before is None else before.header.version or before.header.date or "unknown"
    return _told(entry.dat, replaced)


def _told(dat: Dat, replaced: str | None = None) -> _Dat:
    header = dat.header
    return _Dat(
        id=dat.id,
        name=header.name,
        system=header.system,
        publisher=header.publisher,
        version=header.version,
        date=header.date,
        form=header.form.value,
        games=dat.games,
        files=dat.roms,
        source=dat.source,
        imported=stamp(dat.imported),
        replaced=replaced,
    )


def _import_lines(told: _Imported) -> Iterator[str]:
    for dat in told.dats:
        instead = f", in place of version {text.clean(dat.replaced)}" if dat.replaced else ""
        yield (
            f"{text.strong(text.clean(dat.name))} {text.clean(dat.version)}:"
            f" {text.count(dat.games, 'game')}, {text.count(dat.files, 'file')}{instead}"
        )


@command.command("list")
@catalog_options
@output_options
def list_(catalog: str | None, config: Path | None, as_json: bool, quiet: bool) -> None:
    """List the DATs in the catalog."""
    output = Output("dat", as_json=as_json, quiet=quiet)
    with opened_catalog(catalog, config) as known:
        dats = known.dats.list()
    times = {dat.id: day(dat.imported) for dat in dats}
    output.tell(tuple(_told(dat) for dat in dats), lambda told: _table(told, times))


def _table(dats: tuple[_Dat, ...], times: dict[int, str]) -> Iterator[str]:
    if not dats:
        yield "No DAT; `imagerctl dat import FILE` takes one in."
        return
    rows = [
        [
            str(dat.id),
            text.strong(text.clean(dat.name)),
            text.clean(dat.publisher),
            text.clean(dat.version or dat.date),
            text.grouped(dat.games),
            text.grouped(dat.files),
            text.faint(times[dat.id]),
        ]
        for dat in dats
    ]
    heads = [">id", "name", "publisher", "version", ">games", ">files", "imported"]
    yield from text.table(rows, heads, indent=0)


@command.command("remove")
@click.argument("name")
@catalog_options
def remove(name: str, catalog: str | None, config: Path | None) -> None:
    """Take the DAT called NAME, or of that id, out of the catalog."""
    from imagerd.catalog.catalog import Catalog

    with Catalog.open(located(catalog, config)) as known:
        known.dats.remove(known.dats.find(name))


@command.command("write")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The DAT to write.",
)
@click.option("--all", "whole", is_flag=True, help="All images of the catalog, as it knows them.")
@click.option("--name", help="What the DAT is called, else as the file.")
@click.option("--version", "version", default="", help="The version that stands in it.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@account_options
@output_options
def write(
    paths: tuple[Path, ...],
    target: Path,
    whole: bool,
    name: str | None,
    version: str,
    overwrite: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a DAT of your own images (Logiqx XML).

    Of the images at PATH (folders with all below them), which are hashed; or by --all of those in
    the catalog, whose digests it knows. What is known to have bad sectors is listed as a bad dump.
    The same images give the same file. Exit code: 1 if an image was left out.
    """
    from imagerd.toolkit.dat.records import Header
    from imagerd.toolkit.dat.writing import write_dat

    if bool(paths) == whole:
        raise click.UsageError("Name images, or --all of the catalog, not both.")
    refuse_existing(target, overwrite=overwrite)
    output = Output("dat", as_json=as_json, quiet=quiet)
    left_out: list[str] = []
    if whole:
        with opened_catalog(catalog, config) as known:
            games = list(_of_catalog(known, left_out))
    else:
        accounts = Accounts(catalog, config, no_catalog, no_map)
        games = list(_of_paths(paths, accounts, output, left_out))
    if not games:
        raise BadInput("There is nothing to list." + "".join(f" {said}" for said in left_out[:1]))
    header = Header(name or target.stem, version=version, publisher="imagerd")
    write_text_atomically(target, write_dat(header, games), overwrite=overwrite)
    files = sum(len(game.roms) for game in games)
    output.tell(_Written(str(target), len(games), files, tuple(left_out)), _write_lines)
    failures.finish(ExitCode.FINDING if left_out else ExitCode.OK)


def _of_catalog(catalog: Catalog, left_out: list[str]) -> Iterator[Game]:
    for summary in sorted(catalog.images.search(), key=lambda image: (image.name, image.id)):
        image = catalog.images.get(summary.id)
        game = _game_of(image)
        if game is None:
            left_out.append(f"{image.name}: the catalog has no digests of its tracks.")
        else:
            yield game


def _game_of(image: Known) -> Game | None:
    from imagerd.toolkit.dat.collection import listed

    tracks = [(t.number, t.digests) for t in image.tracks if t.digests is not None]
    if not tracks:
        return None
    return listed(image.name, tracks, iso=image.format == "iso", bad=image.state.value != "done")


def _of_paths(
    paths: Iterable[Path], accounts: Accounts, output: Output, left_out: list[str]
) -> Iterator[Game]:
    from imagerd.toolkit.dat.collection import game_of
    from imagerd.toolkit.match.gather import gather
    from imagerd.toolkit.match.pieces import ending

    for path in gather(paths):
        try:
            with opened(str(path), accounts) as disc:
                for remark in disc.remarks:
                    output.note(text.clean(remark))
                iso = disc.image is not None and disc.image.format == "iso"
                bad = disc.account is not None and bool(disc.account.bad)
                name = path.name.removesuffix(ending(path))
                task = game_of(name, disc.source, iso=iso, bad=bad)
                yield output.follow(task, str(path))
        except OperatorError as error:
            left_out.append(str(error))


def _write_lines(told: _Written) -> Iterator[str]:
    for sentence in told.left_out:
        yield text.doubtful(f"Left out: {text.clean(sentence)}")
    games, files = text.count(told.games, "game"), text.count(told.files, "file")
    yield f"{text.clean(told.target)}: {games}, {files}"
