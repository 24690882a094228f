# SPDX-License-Identifier: Apache-2.0
"""`imagerctl hash`: digests of tracks and files, for people, programs and checksum files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode
from imagerd.cli import failures, text
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import Opened, opened

if TYPE_CHECKING:
    from imagerd.base.digests import Digests
    from imagerd.toolkit.hashing import HashResult

_ALGORITHMS = ("crc32", "md5", "sha1", "sha256")


@dataclass(frozen=True, slots=True)
class _Told:
    source: str
    hashes: HashResult


@click.command("hash")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--whole", is_flag=True, help="Also the digests of all tracks joined in order.")
@click.option(
    "--check-file",
    "algorithm",
    type=click.Choice([*_ALGORITHMS, "sfv"]),
    help="Print lines for a checksum file, as sha256sum or an SFV tool would.",
)
@output_options
def command(
    sources: tuple[str, ...], whole: bool, algorithm: str | None, as_json: bool, quiet: bool
) -> None:
    """Compute the digests of tracks and files.

    CRC-32, MD5, SHA-1 and SHA-256 in one pass: of each track as it is stored (its pregap
    included), and of each file of an image. Of a drive, of each track and of the whole disc.

    \b
    Examples:
      imagerctl hash game.cue
      imagerctl hash --check-file sha256 game.cue > game.sha256
      imagerctl hash /dev/sr0 --json | jq -r '.hashes.whole.sha1'

    Exit code: 1 if sectors could not be read; their filling was hashed in their place.
    """
    output = Output("hash", as_json=as_json, quiet=quiet)
    unreadable = False
    for name in sources:
        with opened(name) as source:
            told = _Told(name, _hash(source, output, whole))
        unreadable = unreadable or bool(told.hashes.unreadable)
        if algorithm is not None and not as_json:
            output.tell(told, lambda result: _check_lines(result, algorithm))
        else:
            output.tell(told, _lines)
    failures.finish(ExitCode.FINDING if unreadable else ExitCode.OK)


def _hash(source: Opened, output: Output, whole: bool) -> HashResult:
    from imagerd.toolkit.hashing import hash_source

    files = () if source.image is None else source.image.files
    return output.follow(hash_source(source.source, files, whole=whole), source.name)


def _lines(told: _Told) -> Iterator[str]:
    hashes = told.hashes
    yield text.strong(text.clean(told.source))
    for file in hashes.files:
        yield from _digest_lines(file.path.name, file.digests)
    if len(hashes.tracks) > 1 or not hashes.files:
        for track in hashes.tracks:
            yield from _digest_lines(
                f"track {track.number}, {text.mode(track.mode)}", track.digests
            )
    if hashes.whole is not None:
        yield from _digest_lines("all tracks joined", hashes.whole)
    if hashes.unreadable:
        yield text.bad(
            f"{text.count(hashes.unreadable.count, 'sector')} could not be read; their filling was "
            f"hashed instead: LBA {text.ranges(hashes.unreadable.ranges)}"
        )


def _digest_lines(name: str, digests: Digests) -> Iterator[str]:
    yield f"  {text.clean(name)}  {text.faint(text.size(digests.size))}"
    yield from text.facts(
        [(algorithm, getattr(digests, algorithm)) for algorithm in _ALGORITHMS], indent=4
    )


def _check_lines(told: _Told, algorithm: str) -> Iterator[str]:
    """Lines of a checksum file; names are relative to the image's folder."""
    hashes = told.hashes
    if not hashes.files:
        raise BadInput(f"{told.source} is a drive: a checksum file needs files.")
    folder = Path(told.source).parent.resolve()
    for file in hashes.files:
        path = file.path.resolve()
        name = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
        if algorithm == "sfv":
            yield f"{name} {file.digests.crc32}"
        elif algorithm == "crc32":
            yield f"CRC32 ({name}) = {file.digests.crc32}"
        else:
            yield _coreutils(name, getattr(file.digests, algorithm))


def _coreutils(name: str, digest: str) -> str:
    """As coreutils write it: a name with line ends or backslashes is escaped and marked."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{digest}  {escaped}"
