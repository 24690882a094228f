# SPDX-License-Identifier: Apache-2.0
"""`imagerctl tracks`: the tracks of a disc as files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.listening import swapped_remarks
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, opened

if TYPE_CHECKING:
    from imagerd.toolkit.tracks import TracksResult


@dataclass(frozen=True, slots=True)
class _Told:
    source: str
    result: TracksResult
    remarks: tuple[str, ...]


@click.command("tracks")
@click.argument("source")
@click.option(
    "--into",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write into; made if it is not there.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["wav", "flac", "bin"]),
    default="wav",
    help="Audio as WAVE (by default) or FLAC, with tags; or any track, sectors as stored.",
)
@click.option(
    "--track",
    "tracks",
    multiple=True,
    type=click.IntRange(0, 99),
    help="Only this one; may be given again. 0 is what is hidden before the first track.",
)
@click.option(
    "--gaps",
    type=click.Choice(["append", "prepend", "drop"]),
    help="Pregaps: to the track before (by default), to their own (by default of bin), nowhere.",
)
@click.option("--swap", is_flag=True, help="Exchange the two bytes of each sample of audio.")
@click.option("--overwrite", "--force", is_flag=True, help="Replace files that exist.")
@click.option("--hash", "with_hash", is_flag=True, help="Also tell the digests of what is written.")
@account_options
@output_options
def command(
    source: str,
    folder: Path,
    form: str,
    tracks: tuple[int, ...],
    gaps: str | None,
    swap: bool,
    overwrite: bool,
    with_hash: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the tracks of a disc or an image as files of their own.

    Each is called SOURCE (Track N). WAVE and FLAC files get tags from CD-Text, ISRC and MCN. Data
    tracks are left out, but for --as bin. Sectors that could not be read become silence, and are
    listed.

    A pregap ends the file of the track before, so that every file begins at INDEX 01; what lies
    before INDEX 01 of the first track is written as track 0. FLAC needs the Python package
    soundfile.

    \b
    Examples:
      imagerctl tracks album.cue --into album --as flac
      imagerctl tracks game.cue --into music --track 2 --track 3
      imagerctl tracks game.cue --into parts --as bin
      imagerctl tracks /dev/sr0 --into ripped --gaps prepend

    Exit code: 1 if sectors could not be read.
    """
    from imagerd.toolkit.endianness import SwappedAudio
    from imagerd.toolkit.tracks import Form, Gaps, TracksOptions, extract

    output = Output("tracks", as_json=as_json, quiet=quiet)
    chosen = Form(form)
    default = Gaps.PREPEND if chosen is Form.BIN else Gaps.APPEND
    options = TracksOptions(
        form=chosen,
        gaps=default if gaps is None else Gaps(gaps),
        tracks=tracks,
        overwrite=overwrite,
        hash=with_hash,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with opened(source, Accounts(catalog, config, no_catalog, no_map)) as disc:
        audio = SwappedAudio(disc.source) if swap else disc.source
        result = output.follow(extract(audio, folder, _stem(disc), options), source)
        remarks = (*disc.remarks, *swapped_remarks(disc, swap=swap))
    output.tell(_Told(source, result, remarks), _lines)
    failures.finish(ExitCode.OK if result.ok else ExitCode.FINDING)


def _stem(disc: Opened) -> str:
    path = disc.path
    return path.stem if path is not None else Path(disc.name).name.replace(":", "-")


def _lines(told: _Told) -> Iterator[str]:
    result = told.result
    for track in result.files:
        size = text.faint(text.size(track.file.path.stat().st_size))
        yield f"{text.clean(str(track.file.path))}  {size}"
        if track.file.digests is not None:
            names = ("crc32", "md5", "sha1", "sha256")
            yield from text.facts([(name, getattr(track.file.digests, name)) for name in names])
    if result.left_out:
        yield f"Left behind: {text.clean(', '.join(result.left_out))}."
    if result.unreadable:
        count = text.count(result.unreadable.count, "sector")
        yield text.bad("Unreadable") + (
            f", written as silence or filling: {count},"
            f" LBA {text.ranges(result.unreadable.ranges)}."
        )
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))
