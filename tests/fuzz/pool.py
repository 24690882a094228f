# SPDX-License-Identifier: Apache-2.0
"""Workers, each a process: started anew when one dies, and what they find kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tests.fuzz.places import scratch
from tests.fuzz.worker import MEMORY, NUMBER, Found, Order, Report, laid_out

SECONDS = 5.0  # that an input may take
_ROOT = Path(__file__).parents[2]
_FRAME = re.compile(r'File "[^"]*/(imagerd/[^"]+)", line (\d+) in (\w+)')


@dataclass(slots=True)
class Tally:
    """What came of many orders. `times`: how often each kind of finding was seen at each place."""

    tried: int = 0
    opened: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: int = 0
    times: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, order: Order, report: Report) -> list[tuple[Order, Found]]:
        """Count a report; returns what of it is new, with an order for that input alone."""
        self.tried += report.tried
        self.opened += report.opened
        self.refused += report.refused
        self.slowest = max(self.slowest, report.slowest)
        self.memory = max(self.memory, report.memory)
        new = []
        for found in report.found:
            key = (found.kind, found.where)
            if key not in self.times:
                new.append((replace(order, first=found.number, count=1), found))
            self.times[key] = self.times.get(key, 0) + 1
        return new


class Worker:
    """A child process that tries inputs. A context manager."""

    def __init__(self, targets: str = "tests.fuzz.targets", seconds: float = SECONDS) -> None:
        self._arguments = (targets, str(seconds))
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(dir=scratch(), prefix="fuzz")
        self._current = Path(self._folder.name) / "current"
        self._errors = Path(self._folder.name) / "errors"
        self._current.write_bytes(bytes(NUMBER.size))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def run(self, order: Order) -> Report:
        """Have an order worked off, however many processes that takes."""
        report = self._answer(order)
        if report is not None:
            return report
        died = NUMBER.unpack(self._current.read_bytes())[0]
        whole = Report(tried=1, found=self._death(replace(order, first=died, count=1)))
        done = died - order.first  # what came of these is lost with the process
        for rest in (replace(order, count=done),
                     replace(order, first=died + 1, count=order.count - done - 1)):  # fmt: skip
            if rest.count:
                _join(whole, self.run(rest))
        return whole

    def _answer(self, order: Order) -> Report | None:
        """The report on an order; None if the process died of it."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(order).decode() + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return None
        report = msgspec.json.decode(line, type=Report)
        if report.memory > MEMORY or any(found.kind == "MemoryError" for found in report.found):
            self._end()  # its high-water mark would stay
        if report.memory > MEMORY:
            told = f"{report.memory >> 20} MiB in use"
            report.found.append(Found(order.first, "memory", "resident", told))
        return report

    def _death(self, order: Order) -> list[Found]:
        """What a process died of, if the next one dies of the same: the machine may be busy."""
        self._end()
        if self._answer(order) is not None:
            return []
        code = self._end()
        told = self._errors.read_text("utf-8", "replace")
        named = _FRAME.search(told)
        place = f"{Path(named[1]).name}:{named[2]} {named[3]}" if named else "?"
        kind = "hang" if "Timeout" in told else _signal(code)
        return [Found(order.first, kind, place, told)]

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-B",  # whoever writes a file is found out
                        "-m",
                        "tests.fuzz.worker",
                        str(self._current),
                        *self._arguments,
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    cwd=_ROOT,
                    env=_environment(),
                )
        return self._process

    def _end(self) -> int:
        """End the process; its exit code, 0 where there was none."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            return process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _environment() -> dict[str, str]:
    """One thread for numpy: each takes memory of its own, which is bounded."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def _join(whole: Report, part: Report) -> None:
    whole.tried += part.tried
    whole.opened += part.opened
    whole.refused += part.refused
    whole.slowest = max(whole.slowest, part.slowest)
    whole.memory = max(whole.memory, part.memory)
    whole.found += part.found


def _signal(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


def keep(order: Order, found: Found, folder: Path) -> Path:
    """Save the files of a finding and what was seen, below `folder`."""
    at = folder / f"{order.group}-{order.name}-{order.seed}-{found.number}"
    main = laid_out(order, at)
    again = (
        f"python -m tests.fuzz --only {order.group}/{order.name}"
        f" --seed {order.seed} --number {found.number}"
    )
    (at / "found.txt").write_text(f"{main.name}\n{again}\n\n{found.kind}\n{found.told}\n")
    return at
