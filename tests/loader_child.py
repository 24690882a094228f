# SPDX-License-Identifier: Apache-2.0
"""A run of the line as a process of its own, to be killed: ``PORT TRAY_SOCKET JOURNAL``.

The drive and the archive are the parent's, asked line by line over the socket.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from imagerd.devices.loaders.generic_serial import GenericSerialLoader
from imagerd.devices.loaders.journal import StackJournal
from imagerd.devices.loaders.line import Limits
from imagerd.devices.loaders.profile import parse_profile
from imagerd.devices.loaders.stack import StackRun, Verdict

QUICK = parse_profile(
    'name = "quick"\nbase = "generic"\n[timing]\nmove = 3.0\ntext = 3.0\nquiet = 0.01\n'
)


class RemoteTray:
    """A `Tray` whose every verb is one line to the parent."""

    name = "drive 0"

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._replies = self._socket.makefile("r")

    def ask(self, verb: str) -> bool:
        self._socket.sendall(f"{verb}\n".encode())
        return self._replies.readline().strip() == "yes"

    def unlock(self) -> None:
        self.ask("unlock")

    def open_tray(self) -> None:
        self.ask("open")

    def close_tray(self) -> None:
        self.ask("close")

    def is_open(self) -> bool:
        return self.ask("is_open")

    def medium_present(self, timeout: float) -> bool:
        return self.ask("present")


def main(port: str, tray_socket: str, journal_path: str) -> None:
    tray = RemoteTray(tray_socket)
    with GenericSerialLoader(port, QUICK) as loader, StackJournal(Path(journal_path)) as journal:
        archive = lambda number: Verdict(tray.ask(f"archive {number}"))  # noqa: E731
        StackRun(loader, tray, archive, journal, limits=Limits(0)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
