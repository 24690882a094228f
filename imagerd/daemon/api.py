# SPDX-License-Identifier: Apache-2.0
"""The local API: thin handlers over `Operations`. See `imagerd.daemon.protocol` for the calls."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from imagerd.base.errors import (
    BadInput,
    ExitCode,
    ImagerdError,
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

_log = logging.getLogger(__name__)
_LARGEST_BODY = 1 << 20


class Operations(Protocol):
    """What the daemon can be asked."""

    def status(self) -> Status: ...
    def drives(self) -> list[DriveView]: ...
    async def eject(self, drive: str) -> DriveView: ...
    async def jobs(self, *, everything: bool) -> list[JobView]: ...
    async def job(self, job: str) -> JobView: ...
    async def cancel(self, job: str) -> JobView: ...
    async def retry(self, job: str) -> JobView: ...
    def events(self) -> AsyncIterator[Notice]: ...
    async def virtual(self) -> list[VirtualView]: ...
    async def virtual_add(self, wanted: VirtualAdd) -> VirtualView: ...
    async def virtual_insert(self, name: str, wanted: VirtualInsert) -> VirtualView: ...
    async def virtual_eject(self, name: str) -> VirtualView: ...
    async def virtual_remove(self, name: str) -> None: ...
    def loaders(self) -> list[LoaderView]: ...
    async def loader(self, name: str, verb: str) -> LoaderView: ...


T = TypeVar("T")

Handler = Callable[[Request], Awaitable[Response]]


def application(daemon: Operations) -> Starlette:
    """The ASGI application."""
    app = Starlette(
        routes=[*_drive_routes(daemon), *_job_routes(daemon), *_rig_routes(daemon)],
        exception_handlers={HTTPException: _no_such_call, Exception: _bug},
    )
    app.router.redirect_slashes = False  # a client of ours follows nothing
    return app


def _drive_routes(daemon: Operations) -> list[Route]:
    async def status(_: Request) -> Response:
        return _json(daemon.status())

    async def drives(_: Request) -> Response:
        return _json(daemon.drives())

    async def eject(request: Request) -> Response:
        return _json(await daemon.eject(request.path_params["name"]))

    async def events(_: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            async for item in daemon.events():
                yield msgspec.json.encode(item) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return [
        _route("/v1/status", status, "GET"),
        _route("/v1/drives", drives, "GET"),
        _route("/v1/drives/{name:path}/eject", eject, "POST"),
        _route("/v1/events", events, "GET"),
    ]


def _job_routes(daemon: Operations) -> list[Route]:
    async def jobs(request: Request) -> Response:
        return _json(await daemon.jobs(everything="all" in request.query_params))

    async def job(request: Request) -> Response:
        return _json(await daemon.job(request.path_params["job"]))

    async def cancel(request: Request) -> Response:
        return _json(await daemon.cancel(request.path_params["job"]))

    async def retry(request: Request) -> Response:
        return _json(await daemon.retry(request.path_params["job"]))

    return [
        _route("/v1/jobs", jobs, "GET"),
        _route("/v1/jobs/{job}", job, "GET"),
        _route("/v1/jobs/{job}/cancel", cancel, "POST"),
        _route("/v1/jobs/{job}/retry", retry, "POST"),
    ]


def _rig_routes(daemon: Operations) -> list[Route]:
    """Virtual drives and loaders."""

    async def virtual(_: Request) -> Response:
        return _json(await daemon.virtual())

    async def add(request: Request) -> Response:
        return _json(await daemon.virtual_add(await _body(request, VirtualAdd)))

    async def insert(request: Request) -> Response:
        wanted = await _body(request, VirtualInsert)
        return _json(await daemon.virtual_insert(request.path_params["name"], wanted))

    async def press(request: Request) -> Response:
        return _json(await daemon.virtual_eject(request.path_params["name"]))

    async def remove(request: Request) -> Response:
        await daemon.virtual_remove(request.path_params["name"])
        return _json(None)

    async def loaders(_: Request) -> Response:
        return _json(daemon.loaders())

    async def loader(request: Request) -> Response:
        name, verb = request.path_params["name"], request.path_params["verb"]
        return _json(await daemon.loader(name, verb))

    return [
        _route("/v1/virtual", virtual, "GET"),
        _route("/v1/virtual", add, "POST"),
        _route("/v1/virtual/{name}/insert", insert, "POST"),
        _route("/v1/virtual/{name}/eject", press, "POST"),
        _route("/v1/virtual/{name}", remove, "DELETE"),
        _route("/v1/loaders", loaders, "GET"),
        _route("/v1/loaders/{name}/{verb}", loader, "POST"),
    ]


def _route(path: str, handler: Handler, method: str) -> Route:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ImagerdError as error:
            return _refusal(error)

    return Route(path, guarded, methods=[method])


async def _no_such_call(request: Request, error: Exception) -> Response:
    """No route, or another method of it."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    said = f"imagerd knows no {request.method} {request.url.path}; see its version."
    return _refused(status, said, ExitCode.OPERATOR)


async def _bug(_: Request, error: Exception) -> Response:
    """What nobody expected; the server logs it with its traceback."""
    return _refused(500, f"A bug of imagerd: {error!r}; see its journal.", ExitCode.INTERNAL)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _refusal(error: ImagerdError) -> Response:
    status = 500
    if isinstance(error, NotAvailable):
        status = 404
    elif isinstance(error, OperatorError):
        status = 400
    elif isinstance(error, MediumError):
        status = 409
    else:
        _log.error("bug: %s", error)
    return _refused(status, str(error), error.exit_code)


def _refused(status: int, sentence: str, exit_code: ExitCode) -> Response:
    body = msgspec.json.encode(Refusal(error=sentence, exit_code=exit_code))
    return Response(body, status, media_type="application/json")


async def _body(request: Request, kind: type[T]) -> T:
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > _LARGEST_BODY:
            raise BadInput("The request is too large.")
    try:
        return msgspec.json.decode(bytes(raw), type=kind)
    except msgspec.MsgspecError as error:
        raise BadInput(f"The request is not what it should be: {error}.") from error
