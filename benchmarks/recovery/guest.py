# SPDX-License-Identifier: Apache-2.0
"""The real programs before damaged discs, in the kernel guest of the tests.

Each has a drive of its own process, attached anew with the same disc, plan and serial number: the
same luck for all. The drive's seconds are on its own clock; how long the emulation took is nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.recovery.bench import Held, OutOfTime, Result, right_rows
from benchmarks.recovery.discs import SECTORS, SMALL, Disc, image_of, small_discs
from benchmarks.recovery.imagerd_client import recover
from benchmarks.recovery.real import LOG, PROGRAMS, Program
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import Command, Reply, Transport
from imagerd.devices.transport import open_transport
from imagerd.devices.virtual.client import VirtualControl
from imagerd.recovery.budget import Budget, Clock
from tests.kernel.guest import RESULTS_IN_GUEST, ROOT, find_kernel, run
from tests.kernel.inside.machine import drive

OURS = "imagerd"
_NAME = "bench"
_LOOK = 0.2  # seconds between two looks at the drive's clock
_PATIENCE = 30.0  # seconds that an interrupted program has to write what it knows
_WALL = 400.0  # seconds of one command here, if it hangs
_BOOT = 3000.0


def boot(results: Path, full_limit: float, only: str = "") -> int:
    """Run what `results` lacks in the guest; `full_limit`: seconds of the drive for `SECTORS`."""
    folder = ROOT / "build" / "recovery-guest"
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for disc in small_discs():
        image_of(disc.content, images, SMALL)
    there = folder / "results.jsonl"
    there.unlink(missing_ok=True)
    if results.exists():
        shutil.copy(results, there)
    limit = full_limit * SMALL / SECTORS
    command = [sys.executable, "-u", "-m", __name__, str(RESULTS_IN_GUEST), str(limit), only]
    try:
        return run(find_kernel(), folder, shlex.join(command), timeout=_BOOT)
    finally:
        if there.exists():
            shutil.copy(there, results)


# -- in the guest -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Watch:
    """The clock and the counter of an attached drive, from now on."""

    control: VirtualControl
    began: float = 0.0
    commands: int = 0

    def __post_init__(self) -> None:
        state = self.control.state()
        self.began, self.commands = state.seconds, state.commands

    @property
    def seconds(self) -> float:
        """Of the drive."""
        return self.control.state().seconds - self.began


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a client came to its end: what it holds, and whether it was stopped."""

    held: Held
    stopped: bool


def main(folder: Path, limit: float, only: str) -> None:
    """All that the results in `folder` lack."""
    out = folder / "results.jsonl"
    lines = out.read_bytes().splitlines() if out.exists() else []
    done = {(r.disc, r.client) for r in (msgspec.json.decode(line, type=Result) for line in lines)}
    for disc in small_discs():
        for name, client in _clients(disc, folder, limit):
            if (disc.name, name) in done or only not in f"{disc.name} {name}":
                continue
            began = time.monotonic()
            result = _one(disc, name, client, folder)
            with out.open("ab") as stream:
                stream.write(msgspec.json.encode(result) + b"\n")
            print(
                f"{disc.name:40} {name:28} {result.recovered} of {result.sectors},"
                f" {result.wrong} wrong, {result.hours * 3600:.1f} s, {result.commands} commands"
                f"{', stopped' * result.stopped} ({time.monotonic() - began:.0f} s here)",
                flush=True,
            )


_Client = Callable[[str, _Watch], _Ended]


def _clients(disc: Disc, folder: Path, limit: float) -> Iterator[tuple[str, _Client]]:
    """By name, with what each does with a node."""
    place = folder / "work" / disc.name.replace(" ", "-")
    yield OURS, partial(_imagerd, limit)
    for program in PROGRAMS:
        if disc.content in program.contents and shutil.which(program.commands[0].split()[0]):
            work = place / program.name.replace(" ", "")
            yield program.name, partial(_program, program, work, limit)


def _one(disc: Disc, name: str, client: _Client, folder: Path) -> Result:
    plan, profile = Path("/tmp/plan.toml"), Path("/tmp/profile.toml")
    plan.write_text(disc.plan)
    profile.write_text(_spinning(disc.drive))
    image = image_of(disc.content, folder / "images", SMALL)
    with drive(image, _NAME, profile=profile, faults=plan) as one:
        _known_size(one.node)
        watch = _Watch(one.one.control)
        ended = client(one.node, watch)
        state = one.one.control.state()
    right = right_rows(disc, folder / "images", ended.held.rows)
    good = ended.held.good
    return Result(
        disc.name,
        disc.kind,
        disc.content,
        name,
        len(good),
        int(np.count_nonzero(good & right)),
        int(np.count_nonzero(good & ~right)),
        (state.seconds - watch.began) / 3600,
        state.commands - watch.commands,
        (),
        guest=True,
        stopped=ended.stopped,
    )


def _spinning(profile: str) -> str:
    """A built-in profile without the seconds until a new disc is ready, which are not counted.

    The kernel asks for the size of a disc only once, and takes it for 1 GiB if the drive is not
    ready then.
    """
    text = (resources.files("imagerd.devices.virtual") / "profiles" / f"{profile}.toml").read_text()
    return re.sub(r"^spin_up = .*$", "spin_up = 0.0", text, flags=re.MULTILINE)


def _known_size(node: str) -> None:
    """The kernel has asked the drive how large the disc is.

    It may take it for smaller: sr cuts a disc off at a medium error in its last 75 sectors
    (`sr_done`), and udev may have met one. That is what programs find, too, and stays so.
    """
    size = int(Path("/sys/class/block", Path(node).name, "size").read_text())
    if size > SMALL * 4:
        raise AssertionError(f"{node} has {size} blocks of 512 bytes, not {SMALL * 4}")


def _program(program: Program, folder: Path, limit: float, node: str, watch: _Watch) -> _Ended:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stopped = False
    for command in program.commands:
        words = command.replace("DRIVE", node).split()
        with (folder / LOG).open("ab") as log:
            stopped = _run(words, folder, log.fileno(), watch, limit)
        if stopped:
            break
    return _Ended(program.judge(folder, SMALL), stopped)


def _run(words: list[str], folder: Path, log: int, watch: _Watch, limit: float) -> bool:
    """Run to the end, or to the limit; whether it was that."""
    wall = time.monotonic() + _WALL
    running = subprocess.Popen(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    while running.poll() is None:
        if watch.seconds > limit or time.monotonic() > wall:
            os.killpg(running.pid, signal.SIGINT)
            try:
                running.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            return True
        time.sleep(_LOOK)
    return False


@dataclass(slots=True)
class _Timed:
    """SG_IO whose replies tell the drive's seconds, as they do with a drive that takes them."""

    transport: Transport
    watch: _Watch
    limit: float
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The node."""
        return self.transport.name

    @property
    def max_transfer(self) -> int:
        """The most bytes of one command."""
        return self.transport.max_transfer

    def execute(self, command: Command) -> Reply:
        """Pass a command on, as long as there is time."""
        if self.seconds > self.limit:
            raise OutOfTime
        reply = self.transport.execute(command)
        before, self.seconds = self.seconds, self.watch.seconds
        return replace(reply, seconds=self.seconds - before)

    def close(self) -> None:
        """Close the node."""
        self.transport.close()


def _imagerd(limit: float, node: str, watch: _Watch) -> _Ended:
    """The engine, as in the other benchmark."""
    timed = _Timed(open_transport(node), watch, limit)
    slept: list[float] = []
    clock = Clock(monotonic=lambda: timed.seconds + sum(slept), unix=time.time, sleep=slept.append)
    folder = Path("/tmp/imagerd-job")
    shutil.rmtree(folder, ignore_errors=True)
    with closing(OpticalDrive(timed)) as opened:
        opened.wait_ready(60)
        opened.identify()
        held = recover(opened, folder, Budget.named("thorough"), clock)
    return _Ended(held, timed.seconds > limit)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
