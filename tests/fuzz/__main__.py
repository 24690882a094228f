# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.fuzz``: exit code 0 only if nothing was found; 1 names what was."""

from __future__ import annotations

import argparse
import itertools
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.corpora import groups, names
from tests.fuzz.guided import is_there, run_guided
from tests.fuzz.pool import Tally, Worker, keep
from tests.fuzz.targets import target_of
from tests.fuzz.worker import Order, laid_out

_BATCH = 200  # inputs of one specimen, then those of the next


def main() -> int:
    """The whole run; returns the exit code."""
    options = _options()
    chosen = [
        (group, name)
        for group in groups()
        for name in names(group)
        if f"{group}/{name}".startswith(options.only)
    ]
    if not chosen:
        print(f"fuzz: no reader is called {options.only}; there are {', '.join(groups())}")
        return 2
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    if options.number is not None:
        return _again(Order(*chosen[0], seed, options.number, 1), options.keep)
    print(f"fuzz: {len(chosen)} specimens, {options.minutes:g} minutes, seed {seed}", flush=True)
    if options.guided and is_there():
        return run_guided(sorted({group for group, _ in chosen}), options.minutes, options.keep)
    try:
        tally = _run(Orders(chosen, seed), options)
    except KeyboardInterrupt:
        print("fuzz: interrupted")
        return 130
    print(
        f"fuzz: {tally.tried} inputs, {tally.opened} taken, {tally.refused} refused;"
        f" slowest {tally.slowest:.2f} s, most memory {tally.memory >> 20} MiB;"
        f" {len(tally.times)} findings"
    )
    return 1 if tally.times else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument("--only", default="", help="a reader, or READER/SPECIMEN; see corpora.py")
    parser.add_argument("--seed", type=int, help="which inputs; the default is others each time")
    parser.add_argument("--number", type=int, help="only this input, in this process")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="for what is found")
    parser.add_argument("--guided", action="store_true", help="by atheris, if it is installed")
    return parser.parse_args()


class Orders:
    """Round after round over all specimens, without an end; for several threads."""

    def __init__(self, chosen: list[tuple[str, str]], seed: int) -> None:
        self._lock = threading.Lock()
        self._orders = (
            Order(group, name, seed, first, _BATCH)
            for first in itertools.count(0, _BATCH)
            for group, name in chosen
        )

    def next(self) -> Order:
        """What is to be done next."""
        with self._lock:
            return next(self._orders)


def _run(orders: Orders, options: argparse.Namespace) -> Tally:
    """Work off orders until the time is over, a worker in each of `jobs` threads."""
    tally = Tally()
    end = time.monotonic() + options.minutes * 60

    def work(_: int) -> None:
        with Worker() as worker:
            while time.monotonic() < end:
                order = orders.next()
                for where, found in tally.add(order, worker.run(order)):
                    at = keep(where, found, options.keep)
                    print(f"FOUND {found.kind} at {found.where}: {at}", flush=True)

    with ThreadPoolExecutor(options.jobs) as threads:
        list(threads.map(work, range(options.jobs)))
    return tally


def _again(order: Order, folder: Path) -> int:
    """One input in this process, for a debugger; what it raises is seen."""
    path = laid_out(order, folder / "again")
    print(f"fuzz: {path}", flush=True)
    target_of(order.group)(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
