# SPDX-License-Identifier: Apache-2.0
"""Rows, how they are measured, and how they look."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `ratio` is ours over the peer's in speed, or None for an absolute figure.

    `target` is the least `ratio`; or, without a ratio, text, and `reached` says whether it is met.
    """

    work: str
    figure: str
    peer: str = ""
    ratio: float | None = None
    target: float | str | None = None
    reached: bool | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.reached is None and self.ratio is not None and isinstance(self.target, float):
            return self.ratio >= self.target
        return self.reached


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def best(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    *,
    fresh: Sequence[Path] = (),
) -> dict[str, float]:
    """The least wall time of each; they run in turn, round after round.

    The files `fresh` are removed before each run, outside the measured time.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            for file in fresh:
                file.unlink(missing_ok=True)
            times[name].append(seconds(work))
    return {name: min(values) for name, values in times.items()}


def command(*words: str | Path, cwd: Path | None = None) -> Callable[[], None]:
    """A command to be run, silently; it must succeed."""

    def run() -> None:
        subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return run


# A small process in between: before exec, a child counts as large as its parent.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_memory(*words: str | Path) -> int:
    """Bytes of the largest resident set of a command and its children."""
    measuring = [sys.executable, "-c", _MEASURE, *map(str, words)]
    done = subprocess.run(measuring, check=True, capture_output=True, text=True)
    return int(done.stdout) << 10


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for large files, gone after."""
    with tempfile.TemporaryDirectory(prefix="imagerd-bench-") as folder:
        yield Path(folder)


def gigabytes(size: int, time_: float) -> str:
    """`1.31 GB/s`, or MB/s below one."""
    rate = size / time_ / 1e9
    return f"{rate:.2f} GB/s" if rate >= 1 else f"{rate * 1000:.0f} MB/s"


def markdown(rows: Iterable[Row]) -> str:
    """The table."""
    lines = ["| work | figure | against | ratio | target | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}×"
        target = f"≥ {row.target:g}×" if isinstance(row.target, float) else row.target or ""
        met = {True: "yes", False: "**no**", None: ""}[row.ok]
        cells: Sequence[str] = (row.work, row.figure, row.peer, ratio, target, met)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
