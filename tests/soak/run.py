# SPDX-License-Identifier: Apache-2.0
"""A whole run: the station, its parts in turn, what is counted between them, and the end."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import ImagerdError
from imagerd.devices.virtual.host import HostProcess
from tests.soak.book import Ledger
from tests.soak.census import Census, census, left_about, nursery_of, settled, strays
from tests.soak.crew import Crew
from tests.soak.discs import TIME_SCALE
from tests.soak.ear import Ear
from tests.soak.hands import POLL, Bench, Hands, Violation
from tests.soak.kinds import KINDS
from tests.soak.limits import Limits
from tests.soak.verdict import counts, faults_of_archive, faults_of_catalog, faults_of_log
from tests.station import Station

DRIVES = ("left", "right")
_PROFILE = 'media = ["cd"]\nseek = 0.0\n'
_LONG = 200  # cycles: from there on bytecode of one's own pays, and memory has settled


class Failed(Exception):
    """A run that ended with the first thing that did not hold: `sentence`, found at `where`."""

    def __init__(self, cycle: int, where: str, sentence: str, folder: Path) -> None:
        super().__init__(f"cycle {cycle} ({where}): {sentence}")
        self.folder = folder


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run was like: cycles by kind, jobs by state (and images), what was there at rest."""

    seconds: float
    cycles: dict[str, int]
    jobs: dict[str, int]
    censuses: list[Census]


class Soak:
    """Two drives, two people, and a plan that follows from the seed."""

    def __init__(self, cycles: int, seed: int, show: Callable[[int], None], only: str = "") -> None:
        """`show` is told now and then how many cycles are done; `only` chooses among the kinds."""
        self._cycles, self._seed, self._show = cycles, seed, show
        self._kinds = [kind for kind in KINDS if only in kind.name]
        self._limits = Limits()
        self._where = ""

    def run(self) -> Summary:
        """All cycles; raises `Failed`, and leaves the station's folder for whoever looks."""
        folder = Path(tempfile.mkdtemp(prefix="imagerd-soak-", dir="/tmp"))
        ledger = Ledger()
        try:
            with _surroundings(folder, own_bytecode=self._cycles >= _LONG):
                station = Station(folder)
                with closing(station):
                    summary = self._run(station, ledger)
        except (Violation, AssertionError, ImagerdError) as error:
            raise Failed(ledger.cycles.total(), self._where, str(error), folder) from error
        except KeyboardInterrupt:
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
        return summary

    def _run(self, station: Station, ledger: Ledger) -> Summary:
        hosts = _drives(station)
        bench = Bench(station, Ear(station.client), ledger)
        hands = [Hands(bench, name) for name in DRIVES]
        for one in hands:
            one.control.press_eject()  # an episode begins with an open tray
        crew = Crew(hands, self._kinds, self._seed)
        began, censuses = time.monotonic(), []
        for share in (0.1, 0.55, 1.0) if self._cycles >= _LONG else (0.6, 1.0):
            try:
                crew.work(round(self._cycles * share), self._show)
            finally:
                self._where = crew.where
            self._where = "at rest"
            censuses.append(self._rest(hands, hosts))
        seconds = time.monotonic() - began
        self._where = "in the end"
        jobs = _end(hands, hosts, random.Random(self._seed))
        return Summary(seconds, dict(ledger.cycles), jobs, censuses)

    def _rest(self, hands: list[Hands], hosts: dict[str, HostProcess]) -> Census:
        """Everyone lets go; then everything is counted, and compared with the first time."""
        station = hands[0].bench.station
        for one in hands:
            one.let_go()
        station.until(lambda: _names(station) == sorted(DRIVES), "the guests to be gone")
        assert station.daemon is not None
        daemon = station.daemon.pid
        pids = {"daemon": daemon, "nursery": nursery_of(daemon)}
        pids |= {name: host.pid for name, host in hosts.items()}
        found = settled(
            lambda: census(pids, station.folder),
            lambda census: not self._limits.broken_by(census),
        )
        faults = [*self._limits.broken_by(found), *left_about(station.folder)]
        if faults:
            raise Violation("; ".join(faults))
        self._limits.remember(found)
        return found


def _drives(station: Station) -> dict[str, HostProcess]:
    """The drives, and imagerd running."""
    station.configure(poll_seconds=POLL)
    profile = station.folder / "profile.toml"
    profile.write_text(_PROFILE)
    hosts = {
        name: station.foreign_drive(name, profile=profile, time_scale=TIME_SCALE) for name in DRIVES
    }
    station.start()
    return hosts


def _names(station: Station) -> list[str]:
    """The virtual drives; a real one of this machine would be watched, too."""
    views = station.client.drives()
    return sorted(view.name for view in views if view.address.startswith("virtual:"))


def _end(hands: list[Hands], hosts: dict[str, HostProcess], rng: random.Random) -> dict[str, int]:
    """Stop everything, judge what is left, and count it."""
    bench, station, book = hands[0].bench, hands[0].bench.station, hands[0].book
    code = station.stop()
    bench.ear.close()
    for host in hosts.values():
        host.stop()
    sockets = station.config.daemon.runtime.rglob("*.sock")
    faults = [
        *([f"imagerd ended with exit code {code}"] if code else []),
        *(f"the process {stray} is left over" for stray in strays(station.folder, set())),
        *(f"the socket {path} is left over" for path in sockets),
        *faults_of_catalog(book, bench.ledger),
        *faults_of_archive(book, station.archive, rng),
        *faults_of_log(station.log, bench.ledger),
    ]
    jobs = counts(book)
    for one in hands:
        one.book.close()
    if faults:
        raise Violation("; ".join(faults))
    return jobs


@contextmanager
def _surroundings(folder: Path, *, own_bytecode: bool) -> Iterator[None]:
    """The environment of all processes: a place for temporary files, which must stay empty.

    Where no bytecode may be written, workers get it from a place of their own if that is wanted: an
    installed imagerd has bytecode, and without it they would do little but compile.
    """
    before = dict(os.environ)
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    if sys.dont_write_bytecode and own_bytecode:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
