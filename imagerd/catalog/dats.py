# SPDX-License-Identifier: Apache-2.0
"""The DATs that were imported: each is in the catalog whole, in one version, or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from sqlalchemy import Insert, delete, insert, select, update
from sqlalchemy.orm import Session

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.catalog import rows
from imagerd.catalog.dat_library import DatLibrary
from imagerd.catalog.database import Database
from imagerd.catalog.events import log
from imagerd.catalog.models import Base, DatRow
from imagerd.catalog.records import Dat, DatImport, utc_now
from imagerd.toolkit.dat.records import Form, Game, Header, Rom, is_older

_BATCH: Final = 1000  # games of one statement
# The tables, not the models: rows by the hundred thousand need no objects of the ORM.
_GAMES = Base.metadata.tables["dat_game"]
_ROMS = Base.metadata.tables["dat_rom"]


class Dats:
    """Lists of known dumps. The same DAT is known by its name and its publisher."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(
        self, said: Iterable[Header | Game], source: str, *, force: bool = False
    ) -> tuple[DatImport, ...]:
        """Import what a file says (see `toolkit.dat.reading`), in one transaction.

        An imported DAT takes the place of the one that was there. Raises `AlreadyThere` if that is
        newer, unless `force`; then, and for whatever `said` raises, all stays as it was.
        """
        with self._database.write() as session:
            return tuple(
                _enter(session, header, games, source, force=force)
                for header, games in _by_dat(said)
            )

    def list(self) -> tuple[Dat, ...]:
        """All, by name."""
        query = select(DatRow).order_by(DatRow.name, DatRow.publisher)
        with self._database.read() as session:
            return tuple(_dat_of(row) for row in session.scalars(query))

    def find(self, text: str) -> Dat:
        """The DAT of that name or id. Raises `BadInput` for none or several."""
        known = self.list()
        found = [dat for dat in known if dat.header.name == text]
        found = found or [dat for dat in known if str(dat.id) == text]
        if len(found) == 1:
            return found[0]
        if not found:
            raise BadInput(f"No DAT is called {text!r}; `imagerctl dat list` shows what there is.")
        ids = ", ".join(f"{dat.id} ({dat.header.publisher})" for dat in found)
        raise BadInput(f"Several DATs are called {text!r}; name one by its id: {ids}.")

    def remove(self, dat: Dat) -> None:
        """Take a DAT out."""
        with self._database.write() as session:
            _delete(session, dat.id)
            log(session, "dat-removed", f"dat:{dat.id}", {"name": dat.header.name})

    def library(self, only: Iterable[Dat] = ()) -> DatLibrary:
        """What `match` asks: all DATs, or only these."""
        return DatLibrary(self._database, tuple(dat.id for dat in only))


def _by_dat(said: Iterable[Header | Game]) -> Iterator[tuple[Header, Iterator[Game]]]:
    """Each header with the games that follow it; a header's games must be taken before the next."""
    stream = iter(said)
    ahead = next(stream, None)
    while isinstance(ahead, Header):
        header, following = ahead, None

        def games() -> Iterator[Game]:
            nonlocal following
            for item in stream:
                if isinstance(item, Header):
                    following = item
                    return
                yield item

        yield header, games()
        ahead = following


def _enter(
    session: Session, header: Header, games: Iterator[Game], source: str, *, force: bool
) -> DatImport:
    name, publisher = rows.clean(header.name)[:255], rows.clean(header.publisher)[:255]
    query = select(DatRow).where(DatRow.name == name, DatRow.publisher == publisher)
    old = session.scalar(query.with_for_update())
    before = None if old is None else _dat_of(old)
    if before is not None:
        if is_older(header, before.header) and not force:
            raise AlreadyThere(
                f"The catalog has {name!r} in version {before.header.version or '?'}, newer than"
                f" {header.version or 'this one'}; --force imports the older one all the same."
            )
        _delete(session, before.id)
    row = DatRow(
        name=name,
        publisher=publisher,
        form=header.form.value,
        description=rows.clean(header.description),
        version=rows.clean(header.version)[:64],
        date=rows.clean(header.date)[:64],
        system=rows.clean(header.system),
        source=rows.clean(source),
        imported=utc_now(),
        games=0,
        roms=0,
    )
    session.add(row)
    session.flush()
    counted = _insert(session, row.id, games)
    session.execute(
        update(DatRow).where(DatRow.id == row.id).values(games=counted[0], roms=counted[1])
    )
    session.refresh(row)
    detail = {"name": name, "version": row.version, "games": row.games}
    log(session, "dat-imported", f"dat:{row.id}", detail)
    return DatImport(_dat_of(row), before)


def _insert(session: Session, dat_id: int, games: Iterator[Game]) -> tuple[int, int]:
    """How many games and roms there were."""
    made: Insert = insert(_GAMES)
    returning = made.returning(_GAMES.c.id, sort_by_parameter_order=True)
    count = files = 0
    while batch := list(itertools.islice(games, _BATCH)):
        values = [
            {"dat_id": dat_id, "name": game.name, "description": game.description} for game in batch
        ]
        ids = session.execute(returning, values).scalars().all()
        roms = [
            _rom_values(game_id, rom)
            for game_id, game in zip(ids, batch, strict=True)
            for rom in game.roms
        ]
        if roms:
            session.execute(insert(_ROMS), roms)
        count, files = count + len(batch), files + len(roms)
    return count, files


def _rom_values(game_id: int, rom: Rom) -> Mapping[str, object]:
    return {
        "game_id": game_id,
        "name": rom.name,
        "size": rom.size,
        "crc32": rom.crc32,
        "md5": rom.md5,
        "sha1": rom.sha1,
        "sha256": rom.sha256,
        "status": rom.status.value,
    }


def _delete(session: Session, dat_id: int) -> None:
    games = select(_GAMES.c.id).where(_GAMES.c.dat_id == dat_id)
    session.execute(delete(_ROMS).where(_ROMS.c.game_id.in_(games)))
    session.execute(delete(_GAMES).where(_GAMES.c.dat_id == dat_id))
    session.execute(delete(DatRow).where(DatRow.id == dat_id))


def _dat_of(row: DatRow) -> Dat:
    return Dat(
        id=row.id,
        header=Header(
            name=row.name,
            form=Form(row.form),
            description=row.description,
            version=row.version,
            date=row.date,
            publisher=row.publisher,
            system=row.system,
        ),
        source=row.source,
        imported=row.imported,
        games=row.games,
        roms=row.roms,
    )
