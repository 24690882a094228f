# SPDX-License-Identifier: Apache-2.0
"""The undo journal of changes made in place: what each span of bytes was, and what it became.

The journal is on the disk, whole and under its name, before the first byte of an image changes. So
whatever happens then, each byte is the old or the new one, and the journal can bring about either
state: of a write that was torn, too. It lies beside the image, as ``IMAGE.undo``, the next as
``IMAGE.2.undo``, and so on.

It is text, a JSON object a line (bytes in Base64): a `Header`, `Change`s in the order of the LBAs,
and a `Seal` with the SHA-256 of all lines before it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.files import AtomicFile, sync_folder
from imagerd.formats.names import is_file

_FORMAT = "imagerd undo journal 1"
_SUFFIX = ".undo"
_LONGEST_LINE = 1 << 20


class ChangedFile(msgspec.Struct, frozen=True):
    """A file that is changed: its name in the journal's folder, and its size in bytes."""

    name: str
    size: int


class Header(msgspec.Struct, frozen=True):
    """The first line. `made`: when, ISO 8601."""

    format: str
    image: str
    made: str
    files: tuple[ChangedFile, ...]


class Change(msgspec.Struct, frozen=True):
    """`old` became `new` at byte `offset` of file number `file`, for the sector at `lba`.

    `why`: "edc", a sector that did not check; "parity", one of which only P or Q was wrong.
    """

    file: int
    lba: int
    offset: int
    old: bytes
    new: bytes
    why: str


class Seal(msgspec.Struct, frozen=True):
    """The last line: `sha256` of all before it."""

    changes: int
    sha256: str


class State(StrEnum):
    """What of a journal's changes is in the files."""

    DONE = "done"
    UNDONE = "undone"
    MIXED = "mixed"  # some, or parts of some


class Draft:
    """A journal while it is written; `commit` gives it its name, durably."""

    def __init__(self, path: Path, header: Header, stack: ExitStack) -> None:
        self.path = path
        self.changes = 0
        self._file = stack.enter_context(AtomicFile(path))
        self._sum = hashlib.sha256()
        self._line(header)

    def add(self, change: Change) -> None:
        """Append one change."""
        self._line(change)
        self.changes += 1

    def _line(self, item: msgspec.Struct) -> None:
        line = msgspec.json.encode(item) + b"\n"
        self._sum.update(line)
        self._file.stream.write(line)

    def commit(self) -> Journal:
        """Seal it and have it on the disk under its name."""
        self._line(Seal(self.changes, self._sum.hexdigest()))
        self._file.commit()
        return Journal(self.path)


class Journal:
    """A whole journal. Raises `BadInput` for what is none, or is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header, self.changes = _checked(path)
        self._folder = path.parent.resolve()
        self._files = [self._inside(file.name) for file in self.header.files]

    def __iter__(self) -> Iterator[Change]:
        decoder = msgspec.json.Decoder(Change)
        with self.path.open("rb") as stream:
            stream.readline()
            for _ in range(self.changes):
                yield decoder.decode(stream.readline())

    def state(self) -> State:
        """What is in the files now. Raises `BadInput` if that is neither old nor new."""
        with self._opened(os.O_RDONLY) as files:
            return self._state(files)

    def redo(self) -> None:
        """Have all changes in the files, on the disk."""
        self._write(undo=False)

    def undo(self) -> None:
        """Have none of the changes in the files, on the disk."""
        self._write(undo=True)

    def retire(self) -> Path:
        """Rename it, once it is undone, so that nothing takes it up again."""
        target = next(name for name in _numbered(self.path, ".undone") if not os.path.lexists(name))
        self.path.rename(target)
        sync_folder(target.parent)
        return target

    def _write(self, *, undo: bool) -> None:
        """Nothing is written unless every byte is one that the journal knows."""
        with self._opened(os.O_RDWR) as files:
            self._state(files)
            for change in self:
                _put(files[change.file], change.old if undo else change.new, change.offset)
            for number, file in enumerate(files):
                try:
                    os.fsync(file)
                except OSError as error:
                    raise NotAvailable(
                        f"Cannot write {self._files[number]}: {error.strerror}."
                    ) from error

    def _state(self, files: list[int]) -> State:
        for number, file in enumerate(self.header.files):
            if os.fstat(files[number]).st_size != file.size:
                raise BadInput(
                    f"{self._files[number]} is not {file.size} bytes long any more:"
                    f" {self.path} does not fit it."
                )
        old = new = True
        for change in self:
            now = os.pread(files[change.file], len(change.old), change.offset)
            old, new = old and now == change.old, new and now == change.new
            if now not in (change.old, change.new) and not _mix(now, change):
                raise BadInput(
                    f"{self._files[change.file]} was changed since at LBA {change.lba} (byte"
                    f" {change.offset}): {self.path} does not fit it."
                )
        return State.DONE if new else State.UNDONE if old else State.MIXED

    @contextmanager
    def _opened(self, flags: int) -> Iterator[list[int]]:
        with ExitStack() as stack:
            yield [open_locked(path, flags, stack) for path in self._files]

    def _inside(self, name: str) -> Path:
        """A journal may come from anywhere: it never leads out of its folder."""
        path = self._folder / name
        if is_file(path) and (found := path.resolve()).is_relative_to(self._folder):
            return found
        raise BadInput(f"{self.path} names {name!r}, which is no file beside it.")


def open_locked(path: Path, flags: int, stack: ExitStack) -> int:
    """A descriptor of `path` that no other repair has at the same time; closed with `stack`."""
    try:
        file = os.open(path, flags | os.O_CLOEXEC)
        stack.callback(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NotAvailable(f"{path} is being repaired by another process; wait for it.") from error
    except OSError as error:
        raise NotAvailable(f"Cannot change {path}: {error.strerror}.") from error
    return file


def _put(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, offset)
        view, offset = view[done:], offset + done


def _mix(now: bytes, change: Change) -> bool:
    """Whether each byte is the old or the new one: a write was cut short there."""
    return len(now) == len(change.old) and all(
        byte in pair for byte, *pair in zip(now, change.old, change.new, strict=True)
    )


def _checked(path: Path) -> tuple[Header, int]:
    """The header and the number of changes of a journal that is whole."""
    problem = BadInput(f"{path} is no undo journal of imagerd, or is damaged.")
    total, lines = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            first = stream.readline(_LONGEST_LINE)
            header = msgspec.json.decode(first, type=Header)
            last = b""
            total.update(first)
            while line := stream.readline(_LONGEST_LINE):
                if last:
                    change = msgspec.json.decode(last, type=Change)
                    if not _is_sane(change, header):
                        raise problem
                    total.update(last)
                    lines += 1
                last = line
        seal = msgspec.json.decode(last, type=Seal)
    except OSError as error:
        raise BadInput(f"Cannot read {path}: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise problem from error
    if header.format != _FORMAT or seal != Seal(lines, total.hexdigest()):
        raise problem
    return header, lines


def _is_sane(change: Change, header: Header) -> bool:
    if not 0 <= change.file < len(header.files) or len(change.old) != len(change.new):
        return False
    return 0 <= change.offset <= header.files[change.file].size - len(change.old)


def header_of(image: Path, files: Iterable[Path], made: str) -> Header:
    """The header for changes to `files`, which lie in the folder of `image`, or below.

    Raises `BadInput` for files elsewhere.
    """
    folder = image.parent.resolve()
    named = []
    for file in files:
        path = file.resolve()
        if not path.is_relative_to(folder):
            raise BadInput(f"{file} lies outside the folder of {image}; copy it there to mend it.")
        named.append(ChangedFile(str(path.relative_to(folder)), path.stat().st_size))
    return Header(_FORMAT, image.name, made, tuple(named))


def journals_of(image: Path) -> list[Path]:
    """The journals beside `image` that are not retired, in the order in which they were made."""
    found: list[Path] = []
    for path in _numbered(image.with_name(image.name + _SUFFIX), _SUFFIX):
        if not os.path.lexists(path):
            return found
        found.append(path)
    return found


def next_journal(image: Path) -> Path:
    """What the next journal of `image` is called."""
    path = image.with_name(image.name + _SUFFIX)
    return next(name for name in _numbered(path, _SUFFIX) if not os.path.lexists(name))


def _numbered(path: Path, suffix: str) -> Iterator[Path]:
    """NAME.undo, NAME.2.undo, …"""
    stem = path.name.removesuffix(_SUFFIX)
    yield path.with_name(stem + suffix)
    number = 2
    while True:
        yield path.with_name(f"{stem}.{number}{suffix}")
        number += 1
