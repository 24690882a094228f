# SPDX-License-Identifier: Apache-2.0
"""The local API as a stranger meets it: refusals, streams, slow and vanished listeners."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from imagerd.base.errors import ExitCode, MediumError, NotAvailable, OperatorError
from imagerd.daemon.api import application
from imagerd.daemon.client import Client
from imagerd.daemon.hub import Hub, notice
from imagerd.daemon.protocol import Notice, Refusal
from tests.station import Station, station
from tests.test_daemon_discs import settled
from tests.test_daemon_signals import disc, reading


@pytest.fixture(scope="module")
def here() -> Iterator[Station]:
    with station('duplicates = "again"') as made:
        made.drive()
        made.until(lambda: bool(made.client.drives()), "the drive")
        yield made


def ask(path: Path, request: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of an answer, by hand."""
    head = f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(path))
        line.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
        raw = b""
        while part := line.recv(65536):
            raw += part
    answer, _, content = raw.partition(b"\r\n\r\n")
    return int(answer.split()[1]), content


@pytest.mark.parametrize(
    ("request_line", "body", "status", "said"),
    [
        ("GET /v1/nothing", b"", 404, "knows no GET /v1/nothing"),
        ("GET /", b"", 404, "knows no GET /"),
        ("GET /v1/jobs/", b"", 404, "knows no"),
        ("DELETE /v1/status", b"", 405, "knows no DELETE"),
        ("GET /v1/jobs/zzzz", b"", 400, "No job has an id"),
        ("POST /v1/jobs/zzzz/cancel", b"", 400, "No job has an id"),
        ("POST /v1/drives/nowhere/eject", b"", 404, "no drive nowhere"),
        ("POST /v1/virtual", b"{", 400, "not what it should be"),
        ("POST /v1/virtual", b'{"name": 7}', 400, "not what it should be"),
        ("POST /v1/virtual", b'{"name": "' + b"x" * (1 << 20) + b'"}', 400, "too large"),
        ("POST /v1/virtual/demo/insert", b'{"image": "/nowhere.iso"}', 400, "/nowhere.iso"),
        ("POST /v1/loaders/arm/run", b"", 404, "no loader arm"),
    ],
)
def test_every_refusal_is_a_sentence_with_an_exit_code(
    here: Station, request_line: str, body: bytes, status: int, said: str
) -> None:
    found, content = ask(here.config.daemon.socket, request_line, body)
    refusal = msgspec.json.decode(content, type=Refusal)
    assert found == status
    assert said in refusal.error
    assert refusal.exit_code == ExitCode.OPERATOR


def test_the_client_raises_the_family_of_a_refusal(here: Station) -> None:
    with pytest.raises(OperatorError, match="No job has an id"):
        here.client.job("zzzz")
    with pytest.raises(OperatorError, match="no drive nowhere"):
        here.client.eject("nowhere")
    with pytest.raises(NotAvailable, match="No imagerd answers"):
        Client(here.folder / "no.sock").status()


def test_a_drive_at_work_is_not_ejected_and_that_is_a_matter_of_its_state() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=2.0)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        with pytest.raises(MediumError, match="demo is at work; cancel its job first"):
            here.client.eject("demo")
        status, content = ask(here.config.daemon.socket, "POST /v1/drives/demo/eject")
        assert (status, json.loads(content)["exit_code"]) == (409, ExitCode.MEDIUM)
        settled(here, "done")


def test_a_stream_tells_the_status_the_job_and_the_end(here: Station) -> None:
    notices: list[Notice] = []
    jobs = len(here.jobs())
    stream = here.client.events()
    first = next(stream)
    assert first.kind == "status"
    assert first.status is not None and first.status.drives[0].name == "demo"
    here.insert(disc(here.folder))
    for item in stream:
        notices.append(item)
        if item.job is not None and item.job.state == "done":
            break
    stream.close()
    states = [item.job.state for item in notices if item.job is not None]
    order = ["identifying", "reading", "writing", "verifying", "done"]
    assert [state for n, state in enumerate(states) if state not in states[:n]] == order
    assert len(here.jobs()) == jobs + 1


def test_listeners_that_do_not_listen_hold_nobody_up() -> None:
    with station('duplicates = "again"') as here:
        here.drive()
        deaf = []
        for _ in range(5):
            line = socket.socket(socket.AF_UNIX)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            line.connect(str(here.config.daemon.socket))
            line.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            deaf.append(line)
        for number in (1, 2):
            here.insert(disc(here.folder))
            settled(here, *["done"] * number)
        deaf.pop().close()  # one goes without a word
        stream = here.client.events()
        assert next(stream).kind == "status"
        assert here.stop() == 0
        assert [item.kind for item in stream][-1] == "goodbye"
        for line in deaf:
            line.close()


def test_who_lags_behind_is_told_so_and_gets_what_comes_then() -> None:
    async def lag() -> list[str]:
        hub = Hub()
        stream = hub.listen()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        hub.publish(notice("first"))
        kinds = [(await waiting).kind]
        for number in range(1000):
            hub.publish(notice(f"{number}"))
        hub.close()
        return kinds + [item.kind async for item in stream]

    kinds = asyncio.run(lag())
    assert kinds[:2] == ["first", "lagged"]
    assert kinds[2:] == [str(number) for number in range(1002 - len(kinds), 1000)]


def test_a_bug_in_a_call_is_a_refusal_too() -> None:
    class Broken:
        def status(self) -> None:
            raise ZeroDivisionError("oops")

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/status", "headers": []}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "server": ("x", 80)}
    app: Any = application(cast(Any, Broken()))
    with pytest.raises(ZeroDivisionError):  # for the server's log
        asyncio.run(app(scope, receive, send))
    refusal = msgspec.json.decode(sent[1]["body"], type=Refusal)
    assert (sent[0]["status"], refusal.exit_code) == (500, ExitCode.INTERNAL)
    assert "A bug of imagerd" in refusal.error
