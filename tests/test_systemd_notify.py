# SPDX-License-Identifier: Apache-2.0
"""Our own sd_notify, against a socket that listens as the manager does."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagerd.base.notify import Notifier


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.setblocking(False)
        yield listener


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@imagerd-test-{secrets.token_hex(8)}"


def test_every_state_is_one_datagram_of_assignments(address: str) -> None:
    with manager(address) as listener:
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
        assert notifier.listening
        assert notifier.ready("2 drives")
        assert notifier.status("sr0: 43 %\nsr1: idle")
        assert notifier.alive()
        assert notifier.stopping("finishing a checkpoint")
        assert notifier.more_time(1.5)
        assert [listener.recv(4096) for _ in range(5)] == [
            b"READY=1\nSTATUS=2 drives",
            b"STATUS=sr0: 43 % sr1: idle",
            b"WATCHDOG=1",
            b"STOPPING=1\nSTATUS=finishing a checkpoint",
            b"EXTEND_TIMEOUT_USEC=1500000",
        ]


def test_a_reload_carries_the_monotonic_time_in_microseconds(address: str) -> None:
    with manager(address) as listener:
        before = time.monotonic_ns() // 1000
        Notifier(address).reloading()
        first, second = listener.recv(4096).split(b"\n")
        after = time.monotonic_ns() // 1000
        assert first == b"RELOADING=1"
        name, _, value = second.partition(b"=")
        assert name == b"MONOTONIC_USEC"
        assert before <= int(value) <= after


def test_nobody_to_tell_is_no_error(tmp_path: Path) -> None:
    assert not Notifier.from_environment({}).ready()
    assert not Notifier(str(tmp_path / "gone")).ready("x")
    assert not Notifier.from_environment({"NOTIFY_SOCKET": "vsock:2:1"}).listening


def test_a_manager_that_does_not_read_does_not_block_us(address: str) -> None:
    with manager(address):
        notifier = Notifier(address)
        sent = [notifier.alive() for _ in range(100_000 // 100)]
        assert sent[0]
        assert not sent[-1]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notifier.from_environment(environment).watchdog_seconds == seconds
