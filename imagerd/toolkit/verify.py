# SPDX-License-Identifier: Apache-2.0
"""`verify`: everything that can be checked of a disc or an image, in one result.

What its sectors prove, whether it is as large as its file system says, and whether it has the
digests that somebody expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.digests import Digests
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats.image import OwnDigest, SelfDigested
from imagerd.toolkit.account import Account, AccountSummary, relative_names
from imagerd.toolkit.checksums import (
    Algorithm,
    ChecksumFile,
    Expected,
    HashVerdict,
    Outcome,
    check_entries,
    check_files,
    match_digests,
    select,
)
from imagerd.toolkit.crew import cores
from imagerd.toolkit.hashing import HashResult, hash_source
from imagerd.toolkit.prove import SectorsVerdict, prove
from imagerd.toolkit.volumes import VolumeVerdict, check_volume

_WORTH_A_CREW = 64 << 20  # bytes: below, starting processes costs more than it brings
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`ok`: nothing was found that contradicts. What carries no proof is told, not found fault.

    `account`: what is known of the image from when it was made; its bad sectors are among those
    of `sectors`.
    """

    ok: bool
    sectors: SectorsVerdict
    account: AccountSummary | None
    volume: VolumeVerdict | None
    hashes: tuple[HashVerdict, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilesVerdict:
    """The outcome of a checksum file."""

    ok: bool
    hashes: tuple[HashVerdict, ...]
    remarks: tuple[str, ...]


def verify(
    source: SectorSource,
    *,
    files: Sequence[Path] = (),
    expected: Sequence[Expected] = (),
    lists: Sequence[ChecksumFile] = (),
    reopen: Callable[[], SectorSource] | None = None,
    workers: int | None = None,
    account: Account | None = None,
    own: SelfDigested | None = None,
) -> Task[VerifyResult]:
    """Check `source`, which consists of `files` if it is an image.

    `expected` digests may be those of any file or track or of the disc; of `lists` the entries of
    `files` count. `reopen` (picklable) opens the same source again: large images then are shared
    out over `workers` processes, by default one for each core. `account`: what `source` and
    `reopen` heed already; the digests in it are checked here. `own`: the image, where it carries
    digests itself. Raises `BadInput` if a list has no entry for the image.
    """
    chosen = [select(file, files) for file in lists]
    if workers is None:
        workers = _workers(source) if reopen is not None and own is None else 1
    if own is not None:
        own.digest_on_the_way()  # one process then reads all of it, in its order
    sectors = yield from prove(source, workers=workers, reopen=reopen)
    volume = check_volume(source)
    hashes = yield from _check_account(account, files)
    if own is not None:
        hashes += tuple(map(_own_verdict, (yield from own.own_digests())))
    for file in chosen:
        hashes += yield from check_files(file)
    if expected:
        known = yield from hash_source(source, files, whole=True)
        hashes += match_digests(expected, _named(known))
    return VerifyResult(
        ok=sectors.ok and (volume is None or volume.ok) and _all_match(hashes),
        sectors=sectors,
        account=AccountSummary.of(account),
        volume=volume,
        hashes=hashes,
        remarks=(
            *(oddity for file in chosen for oddity in file.oddities),
            *_account_remarks(account, files),
        ),
    )


def _own_verdict(own: OwnDigest) -> HashVerdict:
    outcome = Outcome.MATCH if own.actual == own.expected else Outcome.MISMATCH
    origin = "the image itself"
    return HashVerdict(own.name, Algorithm.SHA1, own.expected, own.actual, outcome, origin)


def _check_account(account: Account | None, files: Sequence[Path]) -> Task[tuple[HashVerdict, ...]]:
    """The digests of the image's own files; what lies beside it in the archive is not asked."""
    if account is None or not account.files:
        return ()
    folder = files[0].parent
    names = relative_names(files, folder)
    entries = [
        Expected(Algorithm.SHA256, digest, name) for name, digest in account.files if name in names
    ]
    return (yield from check_entries(folder, entries, account.origin.value))


def _account_remarks(account: Account | None, files: Sequence[Path]) -> Iterator[str]:
    if account is None or not account.files:
        return
    known = {name for name, _ in account.files}
    for name in relative_names(files, files[0].parent):
        if name not in known:
            yield f"{account.where} has no digest of {name}."


def verify_files(file: ChecksumFile) -> Task[FilesVerdict]:
    """Check every file that a checksum file names."""
    hashes = yield from check_files(file)
    return FilesVerdict(_all_match(hashes), hashes, file.oddities)


def _workers(source: SectorSource) -> int:
    tracks = source.layout.tracks
    size = sum(len(track.stored_range) * track.stored.size for track in tracks)
    return min(cores(), _MOST_WORKERS) if size >= _WORTH_A_CREW else 1


def _all_match(hashes: Sequence[HashVerdict]) -> bool:
    return all(verdict.outcome is Outcome.MATCH for verdict in hashes)


def _named(known: HashResult) -> list[tuple[str, Digests]]:
    """Everything whose digest somebody may have written down."""
    named = [(file.path.name, file.digests) for file in known.files]
    named += [(f"track {track.number}", track.digests) for track in known.tracks]
    if known.whole is not None:
        named.append(("the whole disc", known.whole))
    return named
