# SPDX-License-Identifier: Apache-2.0
"""A process that tries inputs: it reads orders, a JSON object a line, and answers with reports.

``python -m tests.fuzz.worker FILE TARGETS SECONDS``: the file that is shared with the pool, the
module whose `target_of` is asked, and how long an input may take.

Memory is bounded by the kernel, time by faulthandler's watchdog, which ends the process with its
stacks printed. The number of the input at work is in a file that the pool maps too, so that a
process that dies names its murderer. While an input is at work, every file that is opened is
looked at: outside of its folder nothing may be, and nothing may be written.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import msgspec

from imagerd.base.errors import OperatorError
from tests.fuzz.corpora import Content, specimen
from tests.fuzz.inputs import made
from tests.fuzz.targets import Target, refused

MEMORY = 512 << 20  # bytes of the whole process, Python and numpy with it
NUMBER = struct.Struct("q")  # at the start of the file that is shared
_NEVER = frozenset(
    {
        "os.chmod", "os.exec", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
        "os.symlink", "os.system", "os.truncate", "socket.connect", "subprocess.Popen",
    }
)  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Order(msgspec.Struct, frozen=True):
    """Try the inputs `first` to `first + count` of a specimen."""

    group: str
    name: str
    seed: int
    first: int
    count: int


class Found(msgspec.Struct):
    """What an input showed. `where` is the last line of ours that was at work."""

    number: int
    kind: str
    where: str
    told: str


class Report(msgspec.Struct):
    """What came of an order. `slowest`: seconds of an input; `memory`: most bytes ever in use."""

    tried: int = 0
    opened: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: int = 0
    found: list[Found] = []


class Folder:
    """A specimen's files, changed for each input and restored after it."""

    def __init__(self, at: Path, order: Order) -> None:
        self.specimen = specimen(order.group, order.name)
        self.main = at / self.specimen.main
        for name, content in self.specimen.files.items():
            content.write(at / name)
        self._at, self._seed = at, order.seed
        self._names = sorted(self.specimen.files)

    def change(self, number: int) -> dict[str, Content]:
        """Put the changed files of an input in place; returns them."""
        changes = made(self.specimen, self._seed, number)
        for name, content in changes.items():
            content.write(self._at / name)
        return changes

    def restore(self, changes: dict[str, Content]) -> None:
        """The files as they were. Raises `AssertionError` if there are others now."""
        for name in changes:
            self.specimen.files[name].write(self._at / name)
        there = sorted(path.name for path in self._at.iterdir())
        assert there == self._names, f"files that were not there: {there}"


class Watch:
    """Notices files opened outside of a folder, or written. One for the life of the process."""

    def __init__(self) -> None:
        self._folder = ""
        self.seen = ""
        self._ours = tuple({*map(os.path.realpath, sys.path), sys.prefix, sys.base_prefix})
        sys.addaudithook(self._event)

    def over(self, folder: Path | None) -> None:
        """Watch from now on; None: no more."""
        self.seen = ""
        self._folder = "" if folder is None else os.path.realpath(folder) + "/"

    def _event(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._folder or self.seen:
            return
        if event in _NEVER:
            self.seen = f"{event} {arguments!r}"
        if event not in ("open", "os.scandir", "os.listdir"):
            return
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        real = os.path.realpath(os.fsdecode(path))
        inside = (real + "/").startswith(self._folder)
        flags = arguments[2] if event == "open" else 0
        if isinstance(flags, int) and flags & _WRITES:
            self.seen = f"written: {real}"
        elif not inside and not real.startswith(self._ours):
            self.seen = f"opened outside: {real}"


@dataclass(slots=True)
class Bench:
    """What inputs are tried with: `current` is shared with the pool, `at` is a folder of its own,
    `seconds` is what an input may take.
    """

    at: Path
    current: mmap.mmap
    watch: Watch
    seconds: float

    def tried(self, order: Order, use: Target) -> Report:
        """Try the inputs of an order."""
        report = Report()
        with tempfile.TemporaryDirectory(dir=self.at) as at:
            folder = Folder(Path(at), order)
            for number in range(order.first, order.first + order.count):
                NUMBER.pack_into(self.current, 0, number)
                changes = folder.change(number)
                self._try(use, folder.main, number, report)
                folder.restore(changes)
        report.memory = _most_memory()
        return report

    def _try(self, use: Target, path: Path, number: int, report: Report) -> None:
        self.watch.over(path.parent)
        faulthandler.dump_traceback_later(self.seconds, exit=True)
        began = time.monotonic()
        found = _once(use, path, number, report, self.watch)
        took = time.monotonic() - began
        faulthandler.cancel_dump_traceback_later()
        self.watch.over(None)
        report.tried += 1
        report.slowest = max(report.slowest, took)
        if found is not None:
            report.found.append(found)


def _most_memory() -> int:
    """Bytes of the largest resident set so far. That of getrusage begins as large as the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _once(use: Target, path: Path, number: int, report: Report, watch: Watch) -> Found | None:
    try:
        try:
            report.opened += use(path)
        except OperatorError as error:
            report.refused += 1
            refused(error)
        assert not watch.seen, watch.seen
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        return Found(number, type(error).__name__, where(error), traceback.format_exc())
    return None


def where(error: BaseException) -> str:
    """The last place in imagerd that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/imagerd/" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].name}"


class _Targets(Protocol):
    def target_of(self, group: str) -> Target: ...


def _bounded() -> None:
    """Memory for the whole process; no core files."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Work off orders until there are no more."""
    shared, targets, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    faulthandler.enable()
    _bounded()
    target_of = cast("_Targets", import_module(targets)).target_of
    with shared.open("r+b") as file, mmap.mmap(file.fileno(), NUMBER.size) as current:
        bench = Bench(shared.parent, current, Watch(), seconds)
        for line in sys.stdin:
            order = msgspec.json.decode(line, type=Order)
            report = bench.tried(order, target_of(order.group))
            print(msgspec.json.encode(report).decode(), flush=True)
    return 0


def laid_out(order: Order, folder: Path) -> Path:
    """The files of an order's first input in `folder`; returns the one to open."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made_in = Folder(folder, order)
    made_in.change(order.first)
    return made_in.main


if __name__ == "__main__":
    raise SystemExit(main())
