# SPDX-License-Identifier: Apache-2.0
"""Write a DAT as Logiqx XML. The same collection gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from imagerd.base.harmless import clean
from imagerd.toolkit.dat.records import Game, Header, Rom, Status

_DOCTYPE = (
    '<!DOCTYPE datafile PUBLIC "-//Logiqx//DTD ROM Management Datafile//EN"'
    ' "http://www.logiqx.com/Dats/datafile.dtd">'
)


def write_dat(header: Header, games: Iterable[Game]) -> str:
    """The DAT, games by name; two of one name get a number behind it, in the order given."""
    return "\n".join(_lines(header, games)) + "\n"


def _lines(header: Header, games: Iterable[Game]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield _DOCTYPE
    yield "<datafile>"
    yield "\t<header>"
    values = (
        ("name", header.name),
        ("description", header.description or header.name),
        ("version", header.version),
        ("date", header.date),
        ("author", header.publisher),
    )
    for tag, value in values:
        if value:
            yield f"\t\t<{tag}>{escape(_fit(value))}</{tag}>"
    yield "\t</header>"
    for game in _named_apart(games):
        yield from _game(game)
    yield "</datafile>"


def _named_apart(games: Iterable[Game]) -> list[Game]:
    used: set[str] = set()
    apart: list[Game] = []
    for game in sorted(games, key=lambda game: game.name):
        name, number = game.name, 1
        while name in used:
            number += 1
            name = f"{game.name} ({number})"
        used.add(name)
        apart.append(Game(name, game.roms, game.description))
    return apart


def _game(game: Game) -> Iterator[str]:
    yield f"\t<game name={quoteattr(_fit(game.name))}>"
    yield f"\t\t<description>{escape(_fit(game.description or game.name))}</description>"
    for rom in game.roms:
        yield f"\t\t{_rom(rom)}"
    yield "\t</game>"


def _rom(rom: Rom) -> str:
    pairs = (
        ("name", _fit(rom.name)),
        ("size", None if rom.size is None else str(rom.size)),
        ("crc", rom.crc32),
        ("md5", rom.md5),
        ("sha1", rom.sha1),
        ("sha256", rom.sha256),
        ("status", None if rom.status is Status.GOOD else rom.status.value),
    )
    told = " ".join(f"{key}={quoteattr(value)}" for key, value in pairs if value is not None)
    return f"<rom {told}/>"


def _fit(text: str) -> str:
    """What XML 1.0 cannot hold (controls, lone surrogates, U+FFFE and U+FFFF) is replaced."""
    return clean(text).replace("\ufffe", "\N{REPLACEMENT CHARACTER}").replace("\uffff", "\ufffd")
