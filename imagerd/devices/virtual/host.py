# SPDX-License-Identifier: Apache-2.0
"""The process that owns one virtual drive.

``python -m imagerd.devices.virtual.host --socket PATH --name NAME [--profile P] [--trace FILE]
[--time-scale X]``; `spawn_host` starts it apart from the caller and waits until it answers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagerd.base.errors import DriveLost, ExitCode, ImagerdError, NotAvailable
from imagerd.devices.virtual.client import VirtualControl
from imagerd.devices.virtual.profile import DriveProfile, profile_names
from imagerd.devices.virtual.server import Server, bind
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.devices.virtual.trace import Trace

_START = 20.0  # seconds in which a host must answer; numpy alone may take some on a busy machine


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m imagerd.devices.virtual.host",
        description="Serve a virtual optical drive on a Unix socket.",
    )
    parser.add_argument("--socket", type=Path, required=True, help="where to serve it")
    parser.add_argument("--name", required=True, help="what to call it")
    known = ", ".join(profile_names())
    parser.add_argument("--profile", default="plain", help=f"a TOML file, or one of: {known}")
    parser.add_argument("--trace", type=Path, help="append a line for each reading command")
    parser.add_argument(
        "--time-scale",
        type=float,
        default=0.0,
        help="real seconds for each simulated one: 0 never waits, 1 is as slow as a real drive",
    )
    parser.add_argument(
        "--kernel", action="store_true", help="a real /dev/srN as soon as it is plugged in; root"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or a quit message; returns the exit code."""
    options = _arguments(arguments)
    try:
        profile = DriveProfile.load(options.profile)
        trace = Trace(options.trace) if options.trace is not None else None
        listener = bind(options.socket)
    except ImagerdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    # Two drives of one profile are two drives; with one serial they would count as one.
    profile = replace(profile, serial=f"{profile.serial}-{options.name}")
    drive = VirtualDrive(profile, options.name, time_scale=options.time_scale)
    server = Server(drive, options.name, listener, trace, in_kernel=options.kernel)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    server.serve()
    return ExitCode.OK


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A host started by `spawn_host`; it lives on when this object and its process are gone."""

    pid: int
    control: VirtualControl

    def stop(self, timeout: float = 10.0) -> None:
        """End it with SIGTERM and wait for that; after `timeout` seconds with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        if not self.wait(timeout):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(timeout)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, within `timeout` seconds; reaps it if it is our child."""
        deadline = time.monotonic() + timeout
        while True:
            if _ended(self.pid):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # not our child: has it ended, even if nobody has asked yet how?
        try:
            words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return True
        return words[0] in (b"Z", b"X")


def spawn_host(
    socket_path: Path,
    name: str,
    *,
    profile: str | Path = "plain",
    trace: Path | None = None,
    time_scale: float = 0.0,
    in_kernel: bool = False,
) -> HostProcess:
    """Start a host in a session of its own and wait until it answers.

    Raises `NotAvailable` with the host's own sentence if it does not come up.
    """
    arguments = [sys.executable, "-m", __name__, "--socket", str(socket_path), "--name", name]
    arguments += ["--profile", str(profile), "--time-scale", str(time_scale)]
    if trace is not None:
        arguments += ["--trace", str(trace)]
    if in_kernel:
        arguments.append("--kernel")
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        pid = os.posix_spawn(
            sys.executable,
            arguments,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, writer, 2),
            ],
            setsid=True,
        )
        os.close(writer)
        writer = -1
        return _until_it_answers(pid, socket_path, reader)
    finally:
        for fd in (reader, writer, null):
            if fd >= 0:
                os.close(fd)


def _until_it_answers(pid: int, socket_path: Path, errors: int) -> HostProcess:
    control = VirtualControl(socket_path)
    host = HostProcess(pid, control)
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with contextlib.suppress(DriveLost):
            # Another host may serve the path; then ours is about to say so and end.
            if control.state().pid == pid:
                return host
        if host.wait(0):
            said = os.read(errors, 4096).decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else "It ended without a word."
            raise NotAvailable(f"The virtual drive did not start: {reason}")
        time.sleep(0.02)
    host.stop(1.0)
    raise NotAvailable(f"The virtual drive at {socket_path} did not answer in {_START:.0f} s.")


if __name__ == "__main__":
    raise SystemExit(main())
