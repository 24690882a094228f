# SPDX-License-Identifier: Apache-2.0
"""The notification protocol of systemd (sd_notify(3)): our own few datagrams, no libsystemd.

Without $NOTIFY_SOCKET every call does nothing, so the daemon runs the same under any parent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

_LONGEST_STATUS = 1000


class Notifier:
    """Tells the service manager how the service is. Never raises: nobody listening is no error."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        """`address` is a path, or a name with a leading ``@`` in the abstract namespace.

        `watchdog_seconds` is how long the manager waits for `alive` before it kills the service;
        None if it does not. Call `alive` at least twice as often.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Notifier:
        """The one that $NOTIFY_SOCKET names; silent if it names none, or a kind we do not speak.

        The watchdog is that of $WATCHDOG_USEC, unless $WATCHDOG_PID is another process: a child
        inherits the variables, not the duty.
        """
        given = os.environ if environment is None else environment
        address = given.get("NOTIFY_SOCKET", "")
        spoken = address if address.startswith(("/", "@")) else ""
        return cls(spoken, _watchdog(given))

    @property
    def listening(self) -> bool:
        """Whether there is a manager to tell."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Start-up, or a reload, is finished."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(*_status(text))

    def alive(self) -> bool:
        """A sign of life for the watchdog."""
        return self._send("WATCHDOG=1")

    def reloading(self, status: str = "") -> bool:
        """A reload begins; `ready` ends it. The time lets Type=notify-reload tell reloads apart."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send("RELOADING=1", f"MONOTONIC_USEC={now}", *_status(status))

    def stopping(self, status: str = "") -> bool:
        """The service begins to shut down."""
        return self._send("STOPPING=1", *_status(status))

    def more_time(self, seconds: float) -> bool:
        """Starting, stopping or reloading takes at least so much longer: do not kill us."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def _send(self, *assignments: str) -> bool:
        """Whether the manager has been told."""
        if not self._address:
            return False
        message = "\n".join(assignments).encode()
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.connect(self._address)
            sender.sendall(message)
            return True
        return False


def _watchdog(given: Mapping[str, str]) -> float | None:
    usec, pid = given.get("WATCHDOG_USEC", ""), given.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or not int(usec) or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


def _status(text: str) -> tuple[str, ...]:
    """A STATUS assignment of one line, or none."""
    line = " ".join(text.split())[:_LONGEST_STATUS]
    return (f"STATUS={line}",) if line else ()
