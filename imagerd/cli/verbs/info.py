# SPDX-License-Identifier: Apache-2.0
"""`imagerctl info`: what is known of a disc or an image before its sectors are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.naming import images_in, named_in
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, is_drive, opened

if TYPE_CHECKING:
    from imagerd.filesystems.volume import VolumeInfo
    from imagerd.formats.datafile import Packing
    from imagerd.toolkit.account import Account, AccountSummary
    from imagerd.toolkit.containers import ChdInfo
    from imagerd.toolkit.info import DiscInfo, TrackInfo

_FRAMES = 75  # sectors of a CD in a second
_MEDIA = {"xa": "CD-ROM XA", "cdi": "CD-I"}  # by the type of the disc, where it tells more
_LISTED = 4  # files of an image
_FEW = 8  # images, for which no processes are started


@dataclass(frozen=True, slots=True)
class _Told:
    """`container`: "drive", or the image's format. Warnings are the parser's, and on what could
    not be asked. `account`: what is known of an image from when it was made. `packings`: of its
    data files, as far as they are packed.
    """

    source: str
    container: str
    drive: str | None
    files: tuple[str, ...]
    disc: DiscInfo
    warnings: tuple[str, ...]
    account: AccountSummary | None = None
    packings: tuple[Packing, ...] = ()
    chd: ChdInfo | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """One of several that could not be told of; `code` as if it had been the only one."""

    source: str
    error: str
    code: int


@click.command("info")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option(
    "--files-from",
    "lists",
    multiple=True,
    type=click.File("rb"),
    metavar="FILE",
    help="Also those that FILE names, one a line, or each ended by a zero byte; - for stdin.",
)
@click.option("--processes", type=click.IntRange(1, 64), help="How many; by default one a core.")
@account_options
@output_options
def command(
    sources: tuple[str, ...],
    lists: tuple[IO[bytes], ...],
    processes: int | None,
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
    an image that is in the catalog, or has a ddrescue map file beside it, which sectors are bad.

    SOURCE may be a folder: all images below it are told. Of several, one that cannot be opened is
    told as an error among the others. Nothing is unpacked that need not be: how long the content
    of a gzip, xz or zstd file is, is what the file says, as long as what is in it agrees; `verify`
    proves it.

    \b
    Examples:
      imagerctl info game.cue
      imagerctl info /dev/sr0
      imagerctl info game.cue --json | jq -r '.disc.musicbrainz'
      imagerctl info --json discs/ | jq -r 'select(.error) | .source'
      imagerctl info --json --files-from names.txt

    Exit code: of several, the worst.
    """
    output = Output("info", as_json=as_json, quiet=quiet)
    accounts = Accounts(catalog, config, no_catalog, no_map)
    named = [*sources, *named_in(lists)]
    if not named:
        raise click.UsageError("Name an image, a folder or a drive.")
    if len(named) == 1 and not Path(named[0]).is_dir():
        output.tell(_tell(named[0], accounts), lambda one: _lines(one, output.width))
        return
    worst = 0
    for told in _all(named, accounts, processes):
        output.tell(told, lambda one: _any_lines(one, output.width))
        worst = max(worst, told.code if isinstance(told, _Failed) else 0)
    failures.finish(worst)


def _all(
    named: Sequence[str], accounts: Accounts, processes: int | None
) -> Iterator[_Told | _Failed]:
    """Of each image, in the order in which they are named."""
    from imagerd.toolkit.crew import cores
    from imagerd.toolkit.shares import in_order

    sources, refused = images_in(named)
    if not sources and len(named) == 1:
        raise refused[0][1]
    work = partial(_try, accounts=accounts)
    if len(sources) <= _FEW or any(is_drive(name) for name in sources):
        yield from map(work, sources)
    else:
        yield work(sources[0])  # which imports what the processes need, too
        rest = sources[1:]
        told = in_order(work, rest, processes or cores())
        for name, one in zip(rest, told, strict=True):
            yield _failed(name, one) if isinstance(one, Exception) else one
    yield from (_failed(name, error) for name, error in refused)


def _try(name: str, accounts: Accounts) -> _Told | _Failed:
    try:
        return _tell(name, accounts)
    except Exception as error:  # noqa: BLE001 - a bug in the reader of one harms no other
        return _failed(name, error)


def _failed(name: str, error: Exception) -> _Failed:
    failure = failures.failure_of(error)
    return _Failed(name, failure.message, int(failure.exit_code))


def _tell(name: str, accounts: Accounts) -> _Told:
    """Of one, at a glance; where something is odd then, with all of it unpacked."""
    with opened(name, accounts, glance=True) as source:
        told = _describe(source)
    if not any(packing.claimed for packing in told.packings):
        return told
    size = told.disc.volume_size
    if size is not None and size.ok and not told.warnings:
        return told
    with opened(name, accounts) as source:
        return _describe(source)


def _describe(source: Opened) -> _Told:
    from imagerd.formats.origin import origin_of
    from imagerd.toolkit.info import info

    disc = info(source.source, origin_of(source.image))
    if source.drive is not None:
        identity = source.drive.identity
        name = f"{identity.vendor} {identity.product} {identity.revision}"
        return _Told(source.name, "drive", name, (), disc, source.drive.warnings)
    from imagerd.toolkit.containers import chd_of, packings_of

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
        account=_summary(source.account),
        packings=packings_of(image),
        chd=chd_of(image),
    )


def _summary(account: Account | None) -> AccountSummary | None:
    if account is None:
        return None
    from imagerd.toolkit.account import AccountSummary

    return AccountSummary.of(account)


def _any_lines(told: _Told | _Failed, width: int | None) -> Iterator[str]:
    if isinstance(told, _Told):
        yield from _lines(told, width)
        return
    yield text.strong(text.clean(told.source))
    yield f"  {text.bad(text.clean(told.error))}"
    yield ""


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


def _facts(told: _Told) -> Iterator[tuple[str, str | None]]:
    disc = told.disc
    is_cd = disc.medium == "cd"
    length = f", {text.clock(disc.sectors / _FRAMES)} min" if is_cd else ""
    medium = _MEDIA.get(disc.disc_type, disc.medium.upper())
    yield "container", told.container
    if len(told.files) > 1:
        yield "files", text.clean(_names(told.files))
    for packing in told.packings:
        yield "packed", _packing(packing)
    if told.chd is not None:
        yield from _chd_facts(told.chd)
    yield "drive", _opt(told.drive)
    yield (
        "medium",
        f"{medium}, {text.count(disc.sectors, 'sector')}{length}, {text.size(disc.bytes)}",
    )
    if len(disc.sessions) > 1:
        yield (
            "sessions",
            ", ".join(f"{s.number} at LBA {s.first}–{s.lead_out - 1}" for s in disc.sessions),
        )
    if disc.layers:
        yield "layer break", ", ".join(f"LBA {lba}" for lba in disc.layers)
    for density in disc.densities:
        sectors = density.angles * density.resolution
        yield "density", f"measured (DPM) of {sectors} sectors from LBA {density.first} on"
    if disc.keeps_sheet and told.container != "cue":
        yield "cue sheet", "kept, as it was"
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


def _names(files: Sequence[str]) -> str:
    """The files of an image by their names, as many as one likes to read."""
    names = ", ".join(Path(file).name for file in files[:_LISTED])
    return f"{names} and {len(files) - _LISTED} more" if len(files) > _LISTED else names


def _packing(packing: Packing) -> str:
    how = f"{' in '.join(reversed(packing.formats))}, {_saved(packing.packed, packing.size)}"
    return f"{how}; not unpacked: the length is what it says" if packing.claimed else how


def _saved(packed: int, size: int) -> str:
    return f"{text.size(packed)} for {text.size(size)} ({100 * packed / size:.0f} %)"


def _chd_facts(chd: ChdInfo) -> Iterator[tuple[str, str | None]]:
    codecs = " ".join(chd.codecs) or "not compressed"
    hunks = f"hunks of {text.grouped(chd.hunk)} bytes"
    saved = _saved(chd.packed, chd.size)
    yield "packed", f"version {chd.version}, {text.clean(codecs)}, {hunks}, {saved}"
    yield "SHA-1", chd.sha1
    yield "SHA-1 of data", chd.raw_sha1
    yield "parent", _opt(chd.parent)
    yield "its SHA-1", chd.parent_sha1


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
    if track.stored == "raw+sub":
        return f"{mode} + subchannel"
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
