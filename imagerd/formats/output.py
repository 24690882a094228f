# SPDX-License-Identifier: Apache-2.0
"""Files of an image while they are written: hashed on the way, named only when all are whole."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from imagerd.base.digests import Digests, Hasher
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.files import AtomicFile, move_into_place, refuse_existing
from imagerd.disc.source import Bytes2D
from imagerd.formats.reserve import give_back, reserve
from imagerd.formats.written import WriteOptions, WrittenFile

# Bytes of one system call. From 512 KiB on, Linux 6.18 takes huge folios for the page cache of
# ext4, and allocating those made writing four to ten times slower. A thread for writing gained
# nothing: it waits for the interpreter's lock after every call.
_PIECE = 256 << 10


class Sink(Protocol):
    """Where sectors go, plainly or packed; `digests` are those of what goes in, once finished."""

    digests: Digests | None

    @property
    def part(self) -> Path:
        """Where the file lies before it has its name."""
        ...

    def write(self, data: Bytes2D) -> None:
        """Append rows; they may not be changed afterwards."""
        ...

    def finish(self) -> None:
        """Close the file, on the disk if so asked."""
        ...

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        ...


class Output:
    """One file under a temporary name; `stack` removes it unless `publish` names it.

    `size`: the bytes to come, if they are known: room for them is reserved. Raises `NotAvailable`
    if there is none.
    """

    def __init__(
        self, target: Path, options: WriteOptions, stack: ExitStack, size: int = 0
    ) -> None:
        self.target = target
        self._options = options
        self._file = stack.enter_context(AtomicFile(target, overwrite=options.overwrite))
        self._hasher = hasher(options, stack)
        self.digests: Digests | None = None
        self._left = size
        try:
            reserve(self._file.stream.fileno(), size)
        except OSError as error:
            raise NotAvailable(f"Cannot write {target}: {error.strerror}.") from error

    @property
    def part(self) -> Path:
        """Where the file lies before it has its name."""
        return self._file.part

    def write(self, data: Bytes2D) -> None:
        """Append rows; they may not be changed afterwards."""
        self.write_bytes(data.data.cast("B"))

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Append bytes; they may not be changed afterwards."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.stream.write(view[:_PIECE]) :]
        except OSError as error:
            raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error
        self._left -= len(data)
        if self._hasher is not None:
            self._hasher.update(data)

    def finish(self) -> None:
        """Close the file, on the disk if so asked."""
        if self._hasher is not None:
            self.digests = self._hasher.digests()
            self._hasher = None
        if self._left > 0 and not self._file.stream.closed:
            give_back(self._file.stream.fileno(), self._file.stream.tell())
        if not self._options.sync:
            self._file.stream.close()
            return
        try:
            self._file.finish()
        except OSError as error:
            raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        move_into_place(self._file.part, self.target, overwrite=self._options.overwrite)
        return WrittenFile(self.target, self.digests)


def hasher(options: WriteOptions, stack: ExitStack) -> Hasher | None:
    """A hasher in threads of its own, ended with `stack`; None where hashing is off."""
    if not options.hash:
        return None
    made = Hasher(threads=True)
    stack.callback(made.close)
    return made


def refuse_all(targets: Sequence[Path], options: WriteOptions) -> None:
    """Raise before any work if one of the files may not be written.

    `AlreadyThere` for one that exists and may not be replaced, `BadInput` for one that is read.
    """
    for target in targets:
        if is_read(target, options):
            raise BadInput(
                f"{target} would be written, and is itself what is read; name another target, or"
                " another folder."
            )
        refuse_existing(target, overwrite=options.overwrite)


def is_read(path: Path, options: WriteOptions) -> bool:
    """Whether `path` is one of the files that the source consists of."""
    files = options.origin.files if options.origin is not None else ()
    return path.exists() and any(_same(path, file) for file in files)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


_NAMES_BIN = (".cue", ".toc")  # tables whose data file is called X.bin


def data_name(target: Path, options: WriteOptions) -> str:
    """What the data file of the table `target` is called: X.bin for X.toc.

    Where that is read, or another table of that name is there, which may mean it, X.toc.bin.
    """
    plain = target.with_suffix(".bin")
    tables = [target.with_suffix(suffix) for suffix in _NAMES_BIN]
    if is_read(plain, options) or any(table != target and table.exists() for table in tables):
        return f"{target.name}.bin"
    return plain.name


def publish(outputs: Sequence[Sink]) -> tuple[WrittenFile, ...]:
    """Name all files, in this order: let the sheet be last, so that it never names what is not."""
    for output in outputs:
        output.finish()
    return tuple(output.name() for output in outputs)
