# SPDX-License-Identifier: Apache-2.0
"""`imagerctl verify`: does it prove itself, and is it what somebody says it is?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import is_drive, opened

if TYPE_CHECKING:
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.checksums import ChecksumFile, Expected, HashVerdict
    from imagerd.toolkit.prove import TrackVerdict
    from imagerd.toolkit.verify import FilesVerdict, VerifyResult


@dataclass(frozen=True, slots=True)
class _Told:
    source: str
    verdict: VerifyResult


@dataclass(frozen=True, slots=True)
class _ToldFiles:
    source: str
    verdict: FilesVerdict


@click.command("verify")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--hash",
    "digests",
    multiple=True,
    metavar="HEX",
    help="A digest (CRC-32, MD5, SHA-1, SHA-256) that a file, a track or the disc must have.",
)
@click.option(
    "--checksums",
    "lists",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checksum file (coreutils, BSD, SFV) that lists the image's files.",
)
@click.option("--processes", type=click.IntRange(1, 64), help="How many; by default one a core.")
@account_options
@output_options
def command(
    sources: tuple[str, ...],
    digests: tuple[str, ...],
    lists: tuple[Path, ...],
    processes: int | None,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Prove every sector that can prove itself, and check hashes.

    The data sectors of a CD carry their address, a CRC (EDC) and parity: each is checked. Audio,
    .iso and DVD sectors carry no proof; for them reading is tested, and the size that the file
    system claims. The SHA-1s in a CHD are checked. SOURCE may also be a checksum file: then the
    files it names are checked.

    What the catalog knows of an image counts: its digests are checked, and sectors that could not
    be read when it was made are bad, whatever fills them now. So do the bad sectors of a ddrescue
    map file beside an image (NAME.iso.map or NAME.map) that is in no catalog.

    \b
    Examples:
      imagerctl verify game.cue
      imagerctl verify /dev/sr0
      imagerctl verify game.iso --hash 5f0c…
      imagerctl verify game.cue --checksums game.sha256
      imagerctl verify rescued.iso --no-map
      imagerctl verify archive.sha256
      imagerctl verify *.cue --json | jq 'select(.verdict.ok | not) | .source'

    Exit code: 0 all good, 1 with findings.
    """
    from imagerd.toolkit.checksums import is_checksum_file, parse_digest, read_checksum_file

    output = Output("verify", as_json=as_json, quiet=quiet)
    expected = [parse_digest(digest) for digest in digests]
    files = [read_checksum_file(path) for path in lists]
    accounts = Accounts(catalog, config, no_catalog, no_map)
    ok = True
    for name in sources:
        if not is_drive(name) and is_checksum_file(Path(name)):
            ok = _verify_list(Path(name), output) and ok
        else:
            told = _Told(name, _verify(name, accounts, expected, files, processes, output))
            output.tell(told, _lines)
            ok = told.verdict.ok and ok
    failures.finish(ExitCode.OK if ok else ExitCode.FINDING)


def _verify(
    name: str,
    accounts: Accounts,
    expected: list[Expected],
    lists: list[ChecksumFile],
    processes: int | None,
    output: Output,
) -> VerifyResult:
    from imagerd.formats.image import SelfDigested
    from imagerd.toolkit.prove import reopener
    from imagerd.toolkit.verify import verify

    with opened(name, accounts) as source:
        path = source.path
        task = verify(
            source.source,
            files=() if source.image is None else source.image.files,
            expected=expected,
            lists=lists,
            reopen=None if path is None else reopener(path, source.account),
            workers=processes,
            account=source.account,
            own=source.image if isinstance(source.image, SelfDigested) else None,
        )
        verdict = output.follow(task, name)
        return replace(verdict, remarks=(*verdict.remarks, *source.remarks))


def _verify_list(path: Path, output: Output) -> bool:
    from imagerd.toolkit.checksums import read_checksum_file
    from imagerd.toolkit.verify import verify_files

    told = _ToldFiles(str(path), output.follow(verify_files(read_checksum_file(path))))
    output.tell(told, _files_lines)
    return told.verdict.ok


def _lines(told: _Told) -> Iterator[str]:
    verdict = told.verdict
    yield text.strong(text.clean(told.source))
    yield from _table(verdict.sectors.tracks)
    if verdict.volume is not None:
        sentence = text.clean(verdict.volume.sentence)
        yield f"  {sentence if verdict.volume.ok else text.bad(sentence)}"
    if verdict.account is not None:
        yield from _account_lines(verdict.account)
    yield from _hash_lines(verdict.hashes)
    for remark in verdict.remarks:
        yield f"  {text.doubtful(text.clean(remark))}"
    yield _conclusion(verdict)


def _account_lines(account: AccountSummary) -> Iterator[str]:
    """Where the findings on what fills the image come from."""
    if account.sentence:
        yield f"  {text.bad(text.clean(account.sentence))}"
    else:
        yield f"  {text.clean(account.where)} says: every sector was read."
    if account.repaired:
        yield (
            f"  {text.count(account.repaired.count, 'sector')} in it repaired by parity: "
            f"LBA {text.ranges(account.repaired.ranges)}"
        )


def _table(tracks: Iterable[TrackVerdict]) -> Iterator[str]:
    tracks = list(tracks)
    rows = [
        [
            str(track.number),
            text.mode(track.mode),
            text.grouped(track.sectors),
            text.grouped(track.good) if track.good or not track.unproven else "–",
            text.bad(text.grouped(track.bad)) if track.bad else "0",
        ]
        for track in tracks
    ]
    lines = text.table(rows, [">track", "mode", ">sectors", ">good", ">bad"])
    yield lines[0]
    for track, line in zip(tracks, lines[1:], strict=True):
        yield line + (f"  {text.faint(track.remark)}" if track.remark else "")
        yield from _findings(track)


def _findings(track: TrackVerdict) -> Iterator[str]:
    kinds = (
        (_unreadable(track), track.unreadable),
        ("wrong sync or header", track.wrong_header),
        ("wrong EDC", track.wrong_edc),
        ("wrong parity, right EDC", track.wrong_parity),
        ("doubtful", track.doubtful),
    )
    for name, extent in kinds:
        if extent:
            yield (
                f"        {text.bad(name)}: {text.count(extent.count, 'sector')}, "
                f"LBA {text.ranges(extent.ranges)}"
            )


def _unreadable(track: TrackVerdict) -> str:
    """Now, or when the image was made."""
    if set(track.faults) == {"filling"}:
        return "unreadable when it was imaged"
    return f"unreadable ({', '.join(track.faults)})" if track.faults else "unreadable"


def _conclusion(verdict: VerifyResult) -> str:
    sectors = verdict.sectors
    bad = sum(track.bad for track in sectors.tracks)
    rest = sectors.sectors - sectors.proven
    if bad:
        return text.bad("Bad") + (
            f": {text.count(bad, 'sector')} of {text.grouped(sectors.sectors)} with findings."
        )
    if not verdict.ok:
        return text.bad("Bad") + ": the sectors are as they should be, but see above."
    if not sectors.proven:
        return text.good("Readable") + (
            f": {text.count(rest, 'sector')}, none of which can prove itself."
        )
    more = f"; {text.grouped(rest)} more carry no proof and are readable" if rest else ""
    return text.good("Good") + (
        f": {text.count(sectors.proven, 'sector proves itself', 'sectors prove themselves')}{more}."
    )


def _files_lines(told: _ToldFiles) -> Iterator[str]:
    verdict = told.verdict
    yield text.strong(text.clean(told.source))
    yield from _hash_lines(verdict.hashes)
    for remark in verdict.remarks:
        yield f"  {text.doubtful(text.clean(remark))}"
    wrong = sum(1 for item in verdict.hashes if item.outcome != "match")
    if wrong:
        yield text.bad("Bad") + (
            f": {text.count(wrong, 'file')} of {len(verdict.hashes)} missing or different."
        )
    else:
        yield text.good("Good") + f": {text.count(len(verdict.hashes), 'file')} as listed."


def _hash_lines(hashes: Iterable[HashVerdict]) -> Iterator[str]:
    for item in hashes:
        name = text.clean(item.name)
        origin = text.faint(f"  ({text.clean(item.origin)})") if item.origin != "given" else ""
        if item.outcome == "match":
            yield f"  {text.good('match')}     {item.algorithm} of {name}{origin}"
        elif item.outcome == "missing":
            yield f"  {text.bad('missing')}   {name}{origin}"
        else:
            yield f"  {text.bad('mismatch')}  {item.algorithm} of {name}{origin}"
            yield f"            expected {item.expected}"
            if item.actual:
                yield f"            found    {item.actual}"
