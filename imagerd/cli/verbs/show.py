# SPDX-License-Identifier: Apache-2.0
"""`imagerctl show`: all that the catalog knows of one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.cli import text
from imagerd.cli.catalogs import catalog_options, day, opened_catalog, stamp
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.base.digests import Digests
    from imagerd.catalog.records import Disc, Drive, Image, ImageTrack, Job, Pass


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is asked of the catalog for one image."""

    image: Image
    job: Job
    passes: tuple[Pass, ...]


@click.command("show")
@click.argument("what", metavar="IMAGE")
@catalog_options
@output_options
def command(
    what: str, catalog: str | None, config: Path | None, as_json: bool, quiet: bool
) -> None:
    """Show all that is known of one image.

    The disc with its ids, how complete the image is and how it was read, its files and tracks with
    digests (all four in --json). IMAGE is an id or a name of `imagerctl list`, the beginning of a
    name, of a job's id or of a disc's fingerprint, or the path of a file in the archive.

    \b
    Examples:
      imagerctl show 12
      imagerctl show GAME_1a2b
      imagerctl show /srv/images/GAME_1a2b3c4d/GAME_1a2b3c4d.cue
      imagerctl show 12 --json | jq -r '.files[] | [.sha256, .path] | @tsv'
    """
    output = Output("show", as_json=as_json, quiet=quiet)
    with opened_catalog(catalog, config) as opened:
        image = opened.images.find(what)
        job = opened.jobs.get(image.job_id)
        entry = _Entry(image, job, opened.jobs.passes(job.id))
    if as_json:
        output.tell(_json(entry), lambda _: ())
    else:
        output.tell(entry, lambda one: _lines(one, output.width))


def _lines(entry: _Entry, width: int | None) -> Iterator[str]:
    image = entry.image
    yield text.strong(f"{image.id}  {text.clean(image.name)}")
    yield from text.facts(_facts(entry))
    yield ""
    rows = [
        [text.clean(f.path), text.size(f.digests.size), f.digests.crc32, f.digests.sha1]
        for f in image.files
    ]
    yield from text.table(rows, ["file", ">size", "CRC-32", "SHA-1"], width=width)
    if image.tracks:
        yield ""
        yield from _track_table(image.tracks, width)
    if entry.passes:
        yield ""
        yield from text.table([_pass_row(p) for p in entry.passes], _PASS_HEADS)
    for note in image.notes:
        yield text.faint(f"  {text.clean(note)}")


def _track_table(tracks: Iterable[ImageTrack], width: int | None) -> Iterator[str]:
    """The tracks, without the columns that none of them has anything in."""
    rows = [_track_row(track) for track in tracks]
    used = [at for at in range(len(_TRACK_HEADS)) if any(row[at] for row in rows)]
    heads = [_TRACK_HEADS[at] for at in used]
    yield from text.table([[row[at] for at in used] for row in rows], heads, width=width)


_TRACK_HEADS = [">track", "mode", ">first LBA", ">sectors", ">pregap", "ISRC", "SHA-1"]
_PASS_HEADS = ["pass", ">kB/s", ">asked", ">good", ">bad", "begun"]


def _facts(entry: _Entry) -> Iterator[tuple[str, str | None]]:
    image, job = entry.image, entry.job
    yield "path", text.clean(image.path)
    yield "format", f"{image.format}, {text.size(image.size)}"
    if image.disc is not None:
        audio = any(track.mode == "audio" for track in image.tracks)
        yield from _disc_facts(image.disc, audio=audio)
    yield "sectors", _completeness(image)
    if image.counts.failed:
        yield "filled with", None if image.fill is None else text.clean(image.fill)
    if image.read_offset is not None:
        yield "read offset", f"{image.read_offset:+d} samples, corrected"
    yield "drive", None if job.drive is None else _drive(job.drive)
    yield "verified", day(image.verified) or text.bad("not read back")
    yield "job", f"{job.id}, {text.count(job.attempts, 'attempt')}"
    yield "made", day(image.created)


def _disc_facts(disc: Disc, *, audio: bool) -> Iterator[tuple[str, str | None]]:
    yield "disc", f"{disc.medium.upper()}, {text.count(disc.sectors, 'sector')}"
    yield "volume id", None if disc.volume_id is None else text.clean(disc.volume_id)
    yield "title", None if disc.title is None else text.clean(disc.title)
    if audio:
        yield "MusicBrainz id", disc.musicbrainz_id
        yield "CDDB id", disc.cddb_id
    yield "fingerprint", disc.fingerprint


def _completeness(image: Image) -> str:
    counts = image.counts
    parts = [
        f"{text.grouped(counts.proven)} proven" if counts.proven else "",
        f"{text.grouped(counts.good)} read" if counts.good else "",
        text.doubtful(f"{text.grouped(counts.suspect)} suspect") if counts.suspect else "",
        text.bad(f"{text.grouped(counts.failed)} bad") if counts.failed else "",
    ]
    more = "" if counts.complete else f"; `imagerctl errors {image.id}` lists them"
    return ", ".join(part for part in parts if part) + more


def _drive(drive: Drive) -> str:
    names = (drive.vendor, drive.product, drive.revision)
    serial = f", serial {drive.serial}" if drive.serial else ""
    return text.clean(" ".join(name for name in names if name) + serial)


def _track_row(track: ImageTrack) -> list[str]:
    return [
        str(track.number),
        text.mode(track.mode),
        str(track.index1),
        text.grouped(track.end - track.start),
        str(track.pregap) if track.pregap else "",
        text.clean(track.isrc or ""),
        "" if track.digests is None else track.digests.sha1,
    ]


def _pass_row(done: Pass) -> list[str]:
    return [
        text.clean(done.name),
        "max" if done.speed is None else text.grouped(done.speed),
        text.grouped(done.asked),
        text.grouped(done.good),
        text.bad(text.grouped(done.bad)) if done.bad else "0",
        text.faint(day(done.started)),
    ]


def _json(entry: _Entry) -> dict[str, object]:
    """The entry for programs; documented by `--json` of the examples, keys only ever added."""
    image = entry.image
    counts = image.counts
    return {
        "id": image.id,
        "name": image.name,
        "state": image.state,
        "format": image.format,
        "path": image.path,
        "size": image.size,
        "sectors": {
            "total": counts.total,
            "proven": counts.proven,
            "read": counts.good,
            "suspect": counts.suspect,
            "bad": counts.failed,
        },
        "error_ranges": image.errors,
        "read_offset": image.read_offset,
        "fill": image.fill,
        "verified": stamp(image.verified),
        "created": stamp(image.created),
        "notes": image.notes,
        "disc": None if image.disc is None else _disc_json(image.disc),
        "job": _job_json(entry.job),
        "files": [{"path": f.path, **_digests_json(f.digests)} for f in image.files],
        "tracks": [_track_json(track) for track in image.tracks],
        "passes": [_pass_json(done) for done in entry.passes],
    }


def _disc_json(disc: Disc) -> dict[str, object]:
    return {
        "fingerprint": disc.fingerprint,
        "medium": disc.medium,
        "sectors": disc.sectors,
        "volume_id": disc.volume_id,
        "title": disc.title,
        "musicbrainz": disc.musicbrainz_id,
        "cddb": disc.cddb_id,
        "toc": disc.toc,
        "layout": dict(disc.layout),
    }


def _job_json(job: Job) -> dict[str, object]:
    drive = job.drive
    return {
        "id": job.id,
        "state": job.state,
        "attempts": job.attempts,
        "started": stamp(job.started),
        "ended": stamp(job.ended),
        "policy": dict(job.policy),
        "drive": None
        if drive is None
        else {
            "vendor": drive.vendor,
            "product": drive.product,
            "revision": drive.revision,
            "serial": drive.serial,
            "address": drive.address,
        },
    }


def _digests_json(digests: Digests | None) -> dict[str, object]:
    if digests is None:
        return {}
    return {
        "size": digests.size,
        "crc32": digests.crc32,
        "md5": digests.md5,
        "sha1": digests.sha1,
        "sha256": digests.sha256,
    }


def _track_json(track: ImageTrack) -> dict[str, object]:
    return {
        "number": track.number,
        "session": track.session,
        "mode": track.mode,
        "start": track.start,
        "index1": track.index1,
        "end": track.end,
        "pregap": track.pregap,
        "isrc": track.isrc,
        "control": track.control,
        **_digests_json(track.digests),
    }


def _pass_json(done: Pass) -> dict[str, object]:
    return {
        "name": done.name,
        "started": stamp(done.started),
        "ended": stamp(done.ended),
        "speed": done.speed,
        "asked": done.asked,
        "good": done.good,
        "bad": done.bad,
        "software": done.software,
    }
