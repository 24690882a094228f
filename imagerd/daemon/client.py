# SPDX-License-Identifier: Apache-2.0
"""Calls to a running imagerd over its unix socket; the standard library's HTTP is enough."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from imagerd.base.errors import (
    ExitCode,
    ImagerdError,
    InternalError,
    MediumError,
    NotAvailable,
    OperatorError,
)
from imagerd.daemon.protocol import (
    DriveView,
    JobView,
    LoaderView,
    Notice,
    Refusal,
    Status,
    VirtualAdd,
    VirtualInsert,
    VirtualView,
)

T = TypeVar("T")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over an AF_UNIX socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("imagerd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if isinstance(self.timeout, (int, float)):
            self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Client:
    """A running imagerd. Each call raises the `ImagerdError` of the family that it answers with.

    `NotAvailable` where no daemon answers.
    """

    def __init__(self, path: Path, timeout: float = 60.0) -> None:
        self._path = path
        self._timeout = timeout

    def status(self) -> Status:
        """How the daemon and its drives are."""
        return self._call("GET", "/v1/status", Status)

    def drives(self) -> list[DriveView]:
        """The drives that it watches."""
        return self._call("GET", "/v1/drives", list[DriveView])

    def eject(self, drive: str) -> DriveView:
        """Open the tray of a drive that is not at work."""
        return self._call("POST", f"/v1/drives/{_part(drive)}/eject", DriveView)

    def jobs(self, *, everything: bool = False) -> list[JobView]:
        """Open jobs, or all of them; newest first."""
        return self._call("GET", f"/v1/jobs{'?all=1' if everything else ''}", list[JobView])

    def job(self, job: str) -> JobView:
        """One job, by its id or the beginning of it."""
        return self._call("GET", f"/v1/jobs/{_part(job)}", JobView)

    def cancel(self, job: str) -> JobView:
        """Stop a job for good; what was read is kept."""
        return self._call("POST", f"/v1/jobs/{_part(job)}/cancel", JobView)

    def retry(self, job: str) -> JobView:
        """Take up a job again that ended with bad sectors, failed, waits or was cancelled."""
        return self._call("POST", f"/v1/jobs/{_part(job)}/retry", JobView)

    def virtual(self) -> list[VirtualView]:
        """The daemon's virtual drives."""
        return self._call("GET", "/v1/virtual", list[VirtualView])

    def virtual_add(self, wanted: VirtualAdd) -> VirtualView:
        """Make a virtual drive."""
        return self._call("POST", "/v1/virtual", VirtualView, wanted)

    def virtual_insert(self, name: str, wanted: VirtualInsert) -> VirtualView:
        """Put a disc into a virtual drive and close its tray."""
        return self._call("POST", f"/v1/virtual/{_part(name)}/insert", VirtualView, wanted)

    def virtual_eject(self, name: str) -> VirtualView:
        """Press the button of a virtual drive."""
        return self._call("POST", f"/v1/virtual/{_part(name)}/eject", VirtualView)

    def virtual_remove(self, name: str) -> None:
        """Take a virtual drive away."""
        self._call("DELETE", f"/v1/virtual/{_part(name)}", type(None))

    def loaders(self) -> list[LoaderView]:
        """The loaders of the configuration."""
        return self._call("GET", "/v1/loaders", list[LoaderView])

    def loader(self, name: str, verb: str) -> LoaderView:
        """`run` or `stop` a loader's stack."""
        return self._call("POST", f"/v1/loaders/{_part(name)}/{verb}", LoaderView)

    def events(self) -> Iterator[Notice]:
        """The stream of events, beginning with the status; ends when the daemon does."""
        connection, response = self._request("GET", "/v1/events", None, timeout=None)
        decoder = msgspec.json.Decoder(Notice)
        try:
            while line := response.readline():
                yield decoder.decode(line)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _call(self, method: str, path: str, kind: type[T], body: msgspec.Struct | None = None) -> T:
        connection, response = self._request(method, path, body, self._timeout)
        try:
            return msgspec.json.decode(response.read() or b"null", type=kind)
        except msgspec.MsgspecError as error:
            raise NotAvailable(
                f"What answers at {self._path} is not this version of imagerd: {error}."
            ) from error
        finally:
            connection.close()

    def _request(
        self, method: str, path: str, body: msgspec.Struct | None, timeout: float | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout)
        data = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status >= 400:
                raise _as_error(response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotAvailable(_unreachable(self._path, error)) from error
        except ImagerdError:
            connection.close()
            raise
        return connection, response


def _part(text: str) -> str:
    return quote(text, safe="")


def _unreachable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"No right to talk to imagerd at {path}; join the group of that socket."
    if isinstance(error, TimeoutError):
        return f"imagerd at {path} does not answer; see its journal."
    return f"No imagerd answers at {path}; start it, or name its socket by --socket."


def _as_error(body: bytes) -> ImagerdError:
    try:
        refusal = msgspec.json.decode(body, type=Refusal)
    except msgspec.MsgspecError:
        return InternalError(f"imagerd answered {body[:200]!r}.")
    families = {ExitCode.OPERATOR: OperatorError, ExitCode.MEDIUM: MediumError}
    return families.get(ExitCode(refusal.exit_code), InternalError)(refusal.error)
