# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a run: a live line or now and then one, and a table in the end."""

from __future__ import annotations

import sys
import time

from tests.soak.census import Census
from tests.soak.kinds import KINDS
from tests.soak.run import Failed, Summary

_PIPE_SECONDS = 30.0


class Progress:
    """A line that is overwritten on a terminal; in a pipe a line each half minute."""

    def __init__(self, cycles: int) -> None:
        self._cycles = cycles
        self._began = self._last = time.monotonic()
        self._live = sys.stdout.isatty()

    def show(self, done: int) -> None:
        """So many cycles are done."""
        now = time.monotonic()
        if not self._live and now - self._last < _PIPE_SECONDS:
            return
        self._last = now
        took = now - self._began
        left = took / done * max(self._cycles - done, 0) if done else 0.0
        line = f"  {done:5} of {self._cycles} cycles, {_clock(took)}, {_clock(left)} to go"
        if self._live:
            print(f"\r\033[2K{line}", end="", flush=True)
        else:
            print(line, flush=True)

    def end(self) -> None:
        """The table follows."""
        if self._live:
            print("\r\033[2K", end="")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def told(failed: Failed, cycles: int, seed: int) -> str:
    """The sentence with which a run fails."""
    return (
        f"soak: FAILED at {failed}\n"
        f"  again:   make soak CYCLES={cycles} SEED={seed}\n"
        f"  to see:  {failed.folder}/imagerd.log and what is beside it"
    )


def table(summary: Summary) -> str:
    """What was done and seen."""
    cycles = sum(summary.cycles.values())
    jobs = {state: count for state, count in summary.jobs.items() if state != "images"}
    kinds = [(kind.name, summary.cycles.get(kind.name, 0), kind.outcome) for kind in KINDS]
    states = ", ".join(f"{count} {state}" for state, count in jobs.items())
    lines = [
        f"{cycles} cycles in {_clock(summary.seconds)}, {cycles / summary.seconds:.2f} a second;"
        " all that must hold held:",
        "",
        *(f"  {name:<24}{count:>6}  {outcome}" for name, count, outcome in kinds if count),
        "",
        f"  {'jobs':<24}{sum(jobs.values()):>6}  {states}",
        f"  {'images':<24}{summary.jobs['images']:>6}  each compared with its disc",
        "",
        _row(
            "at rest", ["first", "middle", "end"] if len(summary.censuses) > 2 else ["first", "end"]
        ),
        *_counted(summary.censuses),
    ]
    return "\n".join(lines)


def _counted(censuses: list[Census]) -> list[str]:
    rows = []
    for name in censuses[0].processes:
        found = [census.processes[name] for census in censuses]
        what = name if name in ("daemon", "nursery") else f"drive {name}"
        rows.append(_row(f"{what}: open files", [str(process.open) for process in found]))
        rows.append(_row(f"{what}: threads", [str(process.threads) for process in found]))
        rows.append(_row(f"{what}: memory", [f"{p.memory / 2**20:.1f} MiB" for p in found]))
    count = [str(len(census.processes) + len(census.stray)) for census in censuses]
    return [*rows, _row("processes", count)]


def _row(what: str, values: list[str]) -> str:
    return f"  {what:<24}" + "".join(f"{value:>12}" for value in values)
