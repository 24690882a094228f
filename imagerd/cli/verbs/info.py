# SPDX-License-Identifier: Apache-2.0
"""`imagerctl info`: what is known of a disc or an image before its sectors are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput
from imagerd.cli import text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, opened

if TYPE_CHECKING:
    from imagerd.filesystems.volume import VolumeInfo
    from imagerd.formats import Image
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.info import DiscInfo, TrackInfo

_FRAMES = 75  # sectors of a CD in a second


@dataclass(frozen=True, slots=True)
class _Told:
    """`container`: "drive", or the image's format. Warnings are the parser's, and on what could
    not be asked. `account`: what is known of an image from when it was made. `sheet`: the cue
    sheet that a bare .bin could have.
    """

    source: str
    container: str
    drive: str | None
    files: tuple[str, ...]
    disc: DiscInfo
    warnings: tuple[str, ...]
    account: AccountSummary | None = None
    sheet: str | None = None


@click.command("info")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@account_options
@output_options
def command(
    sources: tuple[str, ...],
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell what a disc or an image holds.

    Container, medium, sessions, tracks with their modes, indexes, pregaps, flags and ISRC, the
    catalogue number, CD-Text titles, disc ids, file systems, and what is odd about the image. Of
    an image that is in the catalog, or has a ddrescue map file beside it, which sectors are bad. Of
    a .bin or .img without a sheet, the sheet that `convert --sheet-only` would write.

    \b
    Examples:
      imagerctl info game.cue
      imagerctl info /dev/sr0
      imagerctl info game.cue --json | jq -r '.disc.musicbrainz'
    """
    output = Output("info", as_json=as_json, quiet=quiet)
    accounts = Accounts(catalog, config, no_catalog, no_map)
    for name in sources:
        with opened(name, accounts) as source:
            told = _describe(source)
        output.tell(told, lambda one: _lines(one, output.width))


def _describe(source: Opened) -> _Told:
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.info import info

    disc = info(source.source)
    if source.drive is not None:
        identity = source.drive.identity
        name = f"{identity.vendor} {identity.product} {identity.revision}"
        return _Told(source.name, "drive", name, (), disc, source.drive.warnings)
    image = source.image
    if image is None:
        return _Told(source.name, "memory", None, (), disc, ())
    return _Told(
        source=source.name,
        container=image.format,
        drive=None,
        files=tuple(str(path) for path in image.files),
        disc=disc,
        warnings=(*(str(warning) for warning in image.warnings), *source.remarks),
        account=AccountSummary.of(source.account),
        sheet=_offered(image),
    )


def _offered(image: Image) -> str | None:
    """The sheet for a bare .bin that has none beside it; None of others."""
    from imagerd.formats.bare import sheet_beside
    from imagerd.formats.registry import ROWS, Container
    from imagerd.toolkit.offering import sheet_for

    bare = image.path.suffix.lower() in ROWS[Container.BIN].suffixes
    if not bare or sheet_beside(image.path) is not None:
        return None
    try:
        return sheet_for(image).decode("utf-8", "replace")
    except BadInput:
        return None


def _lines(told: _Told, width: int | None) -> Iterator[str]:
    disc = told.disc
    yield text.strong(text.clean(told.source))
    yield from text.facts(_facts(told))
    yield ""
    if disc.medium == "cd":
        yield from _track_table(disc, width)
        yield from _index_lines(disc)
    for warning in told.warnings:
        yield text.doubtful(f"  {text.clean(warning)}")
    if told.sheet is not None:
        yield "  It has no sheet; this would be one (convert --sheet-only):"
        yield from (f"    {text.clean(line)}" for line in told.sheet.splitlines())


def _facts(told: _Told) -> Iterator[tuple[str, str | None]]:
    disc = told.disc
    is_cd = disc.medium == "cd"
    length = f", {text.clock(disc.sectors / _FRAMES)} min" if is_cd else ""
    yield "container", told.container
    yield "drive", _opt(told.drive)
    yield (
        "medium",
        f"{disc.medium.upper()}, {text.count(disc.sectors, 'sector')}{length}, "
        f"{text.size(disc.bytes)}",
    )
    if len(disc.sessions) > 1:
        yield (
            "sessions",
            ", ".join(f"{s.number} at LBA {s.first}–{s.lead_out - 1}" for s in disc.sessions),
        )
    if disc.layers:
        yield "layer break", ", ".join(f"LBA {lba}" for lba in disc.layers)
    yield "title", _opt(disc.title)
    yield "performer", _opt(disc.performer)
    yield "catalogue number", _opt(disc.mcn)
    yield "MusicBrainz id", disc.musicbrainz
    yield "CDDB id", disc.cddb
    if disc.volume is not None:
        yield "volume", text.clean(disc.volume.volume_id) or "(without a name)"
        yield "file systems", ", ".join(_file_systems(disc.volume))
        if disc.volume.created is not None:
            yield "made", f"{disc.volume.created:%Y-%m-%d %H:%M}"
        yield "publisher", _opt(disc.volume.publisher_id)
        yield "application", _opt(disc.volume.application_id)
    if disc.volume_size is not None and not disc.volume_size.ok:
        yield "size", text.bad(text.clean(disc.volume_size.sentence))
    if told.account is not None:
        yield from _account_facts(told.account)


def _account_facts(account: AccountSummary) -> Iterator[tuple[str, str | None]]:
    yield "known by", text.clean(account.where[:1].lower() + account.where[1:])
    if account.bad:
        count = text.bad(text.count(account.bad.count, "sector"))
        yield "bad when imaged", f"{count}, LBA {text.ranges(account.bad.ranges)}"


def _file_systems(volume: VolumeInfo) -> Iterator[str]:
    names = {
        "ISO 9660": volume.iso9660,
        "Joliet": volume.joliet,
        "UDF": volume.udf,
        "HFS": volume.hfs,
    }
    yield from (name for name, there in names.items() if there)


def _opt(value: str | None) -> str | None:
    return None if value is None else text.clean(value)


def _track_table(disc: DiscInfo, width: int | None) -> Iterator[str]:
    columns = {
        ">track": lambda t: str(t.number),
        "mode": _mode,
        ">first LBA": lambda t: str(t.first),
        ">sectors": lambda t: text.grouped(t.sectors),
        ">min": lambda t: text.clock(t.sectors / _FRAMES),
        ">pregap": _pregap,
        "flags": lambda t: ", ".join(flag for flag in t.flags if flag != "data"),
        "ISRC": lambda t: _opt(t.isrc) or "",
        "title": _title,
    }
    rows = [[cell(track) for cell in columns.values()] for track in disc.tracks]
    used = [
        at
        for at, head in enumerate(columns)
        if (head[:1] == ">" and head != ">pregap") or any(row[at] for row in rows)
    ]
    heads = list(columns)
    yield from text.table(
        [[row[at] for at in used] for row in rows], [heads[at] for at in used], width=width
    )


def _mode(track: TrackInfo) -> str:
    mode = text.mode(track.mode)
    return mode if track.stored == "raw" else f"{mode}, {track.stored_size} bytes"


def _pregap(track: TrackInfo) -> str:
    if not track.pregap:
        return ""
    mark = " not stored" if track.pregap_not_stored == track.pregap else ""
    return f"{track.pregap}{mark}"


def _title(track: TrackInfo) -> str:
    parts = [part for part in (track.performer, track.title) if part]
    return text.clean(" – ".join(parts))


def _index_lines(disc: DiscInfo) -> Iterator[str]:
    for track in disc.tracks:
        later = [index for index in track.indexes if index.number > 1]
        if later:
            where = ", ".join(f"{index.number:02} at LBA {index.lba}" for index in later)
            yield text.faint(f"  track {track.number} has the indexes {where}")
