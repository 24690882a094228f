# SPDX-License-Identifier: Apache-2.0
"""Ask the imported DATs which dumps have a file with given digests, or files of given sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, select, union_all
from sqlalchemy.orm import Session

from imagerd.base.digests import Digests
from imagerd.catalog.database import Database
from imagerd.catalog.models import Base
from imagerd.toolkit.dat.records import Game, Rom, Status
from imagerd.toolkit.match.records import Listed

_MOST: Final = 200  # games of one answer: some tracks are the same on hundreds of discs
_MOST_FILES: Final = 250  # of a game: a disc has at most 99 tracks, and some files beside them
_DATS = Base.metadata.tables["dat"]
_GAMES = Base.metadata.tables["dat_game"]
_ROMS = Base.metadata.tables["dat_rom"]


class DatLibrary:
    """`toolkit.match`'s `Library`, of all DATs or of those with the ids `dats`."""

    def __init__(self, database: Database, dats: tuple[int, ...] = ()) -> None:
        self._database = database
        self._dats = dats

    def with_digests(self, digests: Iterable[Digests]) -> tuple[Listed, ...]:
        """Games with a file that may be one of these, those with most of them first.

        A file is found by the strongest digest that the DAT has of it; the rest is not compared.
        """
        known = list(digests)
        if not known:
            return ()
        by_sha1 = _ROMS.c.sha1.in_({d.sha1 for d in known})
        by_md5 = and_(_ROMS.c.md5.in_({d.md5 for d in known}), _ROMS.c.sha1.is_(None))
        by_crc = and_(
            _ROMS.c.size.in_({d.size for d in known}),
            _ROMS.c.crc32.in_({d.crc32 for d in known}),
            _ROMS.c.sha1.is_(None),
            _ROMS.c.md5.is_(None),
        )
        return self._most(by_sha1, by_md5, by_crc)

    def with_sizes(self, sizes: Iterable[int]) -> tuple[Listed, ...]:
        """Games with files of these sizes, those with most of them first."""
        return self._most(_ROMS.c.size.in_(set(sizes)))

    def near_size(self, low: int, high: int) -> tuple[Listed, ...]:
        """Games with a file of `low` to `high` bytes, both included."""
        return self._most(_ROMS.c.size.between(low, high))

    def with_sha1(self, sha1: str) -> tuple[Listed, ...]:
        """Games with a file that the DAT knows by this SHA-1, whatever its size."""
        return self._most(_ROMS.c.sha1 == sha1)

    def _most(self, *conditions: ColumnElement[bool]) -> tuple[Listed, ...]:
        found = union_all(*(self._files(condition) for condition in conditions)).subquery()
        count = func.count(func.distinct(found.c.what))
        query = (
            select(found.c.game_id)
            .group_by(found.c.game_id)
            .order_by(count.desc(), found.c.game_id)
            .limit(_MOST)
        )
        with self._database.read() as session:
            return _games(session, _discs(session, session.scalars(query).all()))

    def _files(self, condition: ColumnElement[bool]) -> Select[tuple[int, str]]:
        what = func.coalesce(_ROMS.c.sha1, _ROMS.c.md5, _ROMS.c.crc32, "")
        query = select(_ROMS.c.game_id, what.label("what")).where(condition)
        if self._dats:
            query = query.join(_GAMES, _GAMES.c.id == _ROMS.c.game_id)
            query = query.where(_GAMES.c.dat_id.in_(self._dats))
        return query


def _discs(session: Session, ids: Sequence[int]) -> list[int]:
    """Those of `ids` that may be a disc by the number of their files, in the same order."""
    query = (
        select(_ROMS.c.game_id)
        .where(_ROMS.c.game_id.in_(ids))
        .group_by(_ROMS.c.game_id)
        .having(func.count() <= _MOST_FILES)
    )
    small = set(session.scalars(query))
    return [game for game in ids if game in small]


def _games(session: Session, ids: Sequence[int]) -> tuple[Listed, ...]:
    roms: dict[int, list[Rom]] = {game: [] for game in ids}
    query = select(_ROMS).where(_ROMS.c.game_id.in_(ids)).order_by(_ROMS.c.id)
    for row in session.execute(query).mappings():
        roms[row["game_id"]].append(_rom_of(row))
    about = (
        select(
            _GAMES.c.id,
            _GAMES.c.name,
            _GAMES.c.description,
            _DATS.c.name.label("dat"),
            _DATS.c.publisher,
            _DATS.c.system,
            _DATS.c.version,
        )
        .join(_DATS, _DATS.c.id == _GAMES.c.dat_id)
        .where(_GAMES.c.id.in_(ids))
    )
    told = {row["id"]: row for row in session.execute(about).mappings()}
    return tuple(
        Listed(
            game=Game(told[game]["name"], tuple(roms[game]), told[game]["description"]),
            dat=told[game]["dat"],
            publisher=told[game]["publisher"],
            system=told[game]["system"],
            version=told[game]["version"],
        )
        for game in ids
    )


def _rom_of(row: RowMapping) -> Rom:
    return Rom(
        name=row["name"],
        size=row["size"],
        crc32=row["crc32"],
        md5=row["md5"],
        sha1=row["sha1"],
        sha256=row["sha256"],
        status=Status(row["status"]),
    )
