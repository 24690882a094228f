# SPDX-License-Identifier: Apache-2.0
"""Checksum files: those of coreutils (plain and BSD `--tag`) and SFV. Reading and checking.

The files come from anywhere: a name in them that leaves the checksum file's folder is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol

from fastcrc import crc32

from imagerd.base.digests import Digests
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.progress import Progress, Task
from imagerd.formats.names import is_file

_BLOCK = 1 << 20
_LARGEST = 16 << 20  # a checksum file above this is not one
_PLAIN = re.compile(r"^(\\?)([0-9a-fA-F]{8,64})(?: [ *]|\t+| )(.+)$")
_TAGGED = re.compile(r"^(\\?)(CRC32|MD5|SHA1|SHA256) \((.+)\) = ([0-9a-fA-F]+)$", re.IGNORECASE)
_SFV = re.compile(r"^(.*\S)[ \t]+\*?([0-9a-fA-F]{8})$")
_BARE = re.compile(r"^[0-9a-fA-F]+$")
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\\\": "\\"}


class Algorithm(StrEnum):
    """The digests that imagerd computes; names are those of `Digests`' fields."""

    CRC32 = "crc32"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


_BY_LENGTH = {8: Algorithm.CRC32, 32: Algorithm.MD5, 40: Algorithm.SHA1, 64: Algorithm.SHA256}
SUFFIXES = frozenset({".md5", ".sha1", ".sha256", ".sfv"})
_NAMES = frozenset({"md5sums", "sha1sums", "sha256sums"})


@dataclass(frozen=True, slots=True)
class Expected:
    """A digest, lower case, and the name that it is of; None where only a digest was given."""

    algorithm: Algorithm
    digest: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ChecksumFile:
    """The entries of a checksum file, and `oddities`: lines that are none, by sentence."""

    path: Path
    entries: tuple[Expected, ...]
    oddities: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What became of one entry."""

    MATCH = "match"
    MISMATCH = "mismatch"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class HashVerdict:
    """One expected digest and what was found. `name`: the file, track or disc compared with.

    `origin`: who expects it: a checksum file's name, the catalog, or given.
    """

    name: str
    algorithm: Algorithm
    expected: str
    actual: str | None
    outcome: Outcome
    origin: str = "given"


def is_checksum_file(path: Path) -> bool:
    """Whether the name says that it is one."""
    return path.suffix.lower() in SUFFIXES or path.name.lower() in _NAMES


def parse_digest(text: str) -> Expected:
    """A digest as typed: hex digits whose number tells the algorithm, maybe `sha1:` in front.

    Raises `BadInput`.
    """
    prefix, _, digits = text.strip().rpartition(":")
    algorithm = _BY_LENGTH.get(len(digits))
    if algorithm is None or not _BARE.match(digits):
        raise BadInput(
            f"{text!r} is no digest: give 8 (CRC-32), 32 (MD5), 40 (SHA-1) or 64 (SHA-256) "
            "hexadecimal digits."
        )
    if prefix and prefix.lower().replace("-", "") != algorithm.value:
        raise BadInput(f"{text!r} has the length of {algorithm.value}, not of {prefix}.")
    return Expected(algorithm, digits.lower())


def read_checksum_file(path: Path) -> ChecksumFile:
    """Parse `path`. Raises `BadInput` if it has no entries or names that leave its folder."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadInput(f"{path} is too large to be a checksum file.")
        raw = path.read_bytes()
    except OSError as error:
        raise NotAvailable(f"Cannot read {path}: {error.strerror}.") from error
    text = raw.decode("utf-8-sig", "surrogateescape")
    entries: list[Expected] = []
    oddities: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith((";", "#")):
            continue
        entry = _parse_line(line, path)
        if entry is None:
            oddities.append(f"{path.name}:{number}: not a checksum line, skipped.")
            continue
        _refuse_leaving(entry, path, number)
        entries.append(entry)
    if not entries:
        raise BadInput(f"{path} holds no checksums; name a file of coreutils, BSD or SFV.")
    return ChecksumFile(path, tuple(entries), tuple(oddities))


def _parse_line(line: str, path: Path) -> Expected | None:
    if match := _TAGGED.match(line):
        escaped, tag, name, digits = match.groups()
        return _entry(digits, _unescape(name) if escaped else name, tag.lower())
    if path.suffix.lower() == ".sfv":
        match = _SFV.match(line)
        return _entry(match[2], match[1].replace("\\", "/")) if match else None
    if match := _PLAIN.match(line):
        escaped, digits, name = match.groups()
        return _entry(digits, _unescape(name) if escaped else name)
    if _BARE.match(line) and is_checksum_file(path):
        return _entry(line, path.stem)
    return None


def _entry(digits: str, name: str, tag: str | None = None) -> Expected | None:
    algorithm = _BY_LENGTH.get(len(digits))
    if algorithm is None or (tag is not None and tag != algorithm.value):
        return None
    return Expected(algorithm, digits.lower(), name)


def _unescape(name: str) -> str:
    return re.sub(r"\\[nr\\]", lambda match: _ESCAPES[match[0]], name)


def _refuse_leaving(entry: Expected, path: Path, line: int) -> None:
    name = entry.name or ""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\0" in name:
        raise BadInput(
            f"{path.name}:{line}: the name {name!r} leads out of the checksum file's folder; "
            "only files inside it are checked."
        )


def select(file: ChecksumFile, files: Iterable[Path]) -> ChecksumFile:
    """Only the entries of `files`. Raises `BadInput` if there is none."""
    wanted = {path.resolve() for path in files}
    folder = file.path.parent
    entries = tuple(
        entry for entry in file.entries if (folder / (entry.name or "")).resolve() in wanted
    )
    if not entries:
        names = ", ".join(sorted(path.name for path in wanted))
        raise BadInput(f"{file.path} lists none of the image's files ({names}).")
    return ChecksumFile(file.path, entries, file.oddities)


def check_files(file: ChecksumFile) -> Task[tuple[HashVerdict, ...]]:
    """Hash every file that `file` names, and compare.

    Raises `BadInput` for a link that leads out of the folder.
    """
    return check_entries(file.path.parent, file.entries, file.path.name)


def check_entries(
    folder: Path, entries: Sequence[Expected], origin: str
) -> Task[tuple[HashVerdict, ...]]:
    """As `check_files`, of entries from anywhere; names are relative to `folder`."""
    paths = [folder / (entry.name or "") for entry in entries]
    total = sum(path.stat().st_size for path in paths if is_file(path))
    done = 0
    verdicts: list[HashVerdict] = []
    for entry, path in zip(entries, paths, strict=True):
        name = entry.name or ""
        if not is_file(path):
            verdicts.append(_verdict(entry, name, None, origin))
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"{path} is a link that leads out of its folder; check its target.")
        actual = yield from hash_file(path, entry.algorithm, done, total)
        done += path.stat().st_size
        verdicts.append(_verdict(entry, name, actual, origin))
    return tuple(verdicts)


def hash_file(path: Path, algorithm: Algorithm, done: int = 0, total: int = 0) -> Task[str]:
    """One digest of one file; progress counts from `done` of `total` bytes."""
    state = _Crc() if algorithm is Algorithm.CRC32 else hashlib.new(algorithm.value)
    buffer = memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as stream:
            while size := stream.readinto(buffer):
                state.update(buffer[:size])
                done += size
                yield Progress(done, total, "bytes", path.name)
    except OSError as error:
        raise NotAvailable(f"Cannot read {path}: {error.strerror}.") from error
    return state.hexdigest()


class _State(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Crc:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = crc32.iso_hdlc(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def match_digests(
    expected: Iterable[Expected], known: Iterable[tuple[str, Digests]]
) -> tuple[HashVerdict, ...]:
    """Look each expected digest up among the `known` ones (name, digests).

    An expectation with a name is compared with the digests of that name (the last path component
    counts); one without a name matches if any of the known digests is equal.
    """
    all_known = list(known)
    return tuple(_match(entry, all_known) for entry in expected)


def _match(entry: Expected, known: list[tuple[str, Digests]]) -> HashVerdict:
    field = entry.algorithm.value
    for name, digests in known:
        if getattr(digests, field) == entry.digest and entry.name in (None, name):
            return HashVerdict(name, entry.algorithm, entry.digest, entry.digest, Outcome.MATCH)
    if entry.name is None:
        only: str | None = getattr(known[0][1], field) if len(known) == 1 else None
        return HashVerdict("any part", entry.algorithm, entry.digest, only, Outcome.MISMATCH)
    actual = next((getattr(digests, field) for name, digests in known if name == entry.name), None)
    return _verdict(entry, entry.name, actual)


def _verdict(entry: Expected, name: str, actual: str | None, origin: str = "given") -> HashVerdict:
    outcome = (
        Outcome.MISSING
        if actual is None
        else Outcome.MATCH
        if actual == entry.digest
        else Outcome.MISMATCH
    )
    return HashVerdict(name, entry.algorithm, entry.digest, actual, outcome, origin)
