# SPDX-License-Identifier: Apache-2.0
"""What the daemon and its callers say to each other: JSON over HTTP on a unix socket.

| call | answer |
|---|---|
| ``GET /v1/status`` | `Status` |
| ``GET /v1/drives`` | list of `DriveView` |
| ``POST /v1/drives/NAME/eject`` | `DriveView` |
| ``GET /v1/jobs?all=1`` | list of `JobView`, newest first |
| ``GET /v1/jobs/ID`` | `JobView` |
| ``POST /v1/jobs/ID/cancel``, ``…/retry`` | `JobView` |
| ``GET /v1/events`` | a stream of `Notice`, one JSON object a line; the first is ``status`` |
| ``GET, POST /v1/virtual`` | list of `VirtualView`; `VirtualAdd` → `VirtualView` |
| ``POST /v1/virtual/NAME/insert`` | `VirtualInsert` → `VirtualView` |
| ``POST /v1/virtual/NAME/eject`` | `VirtualView` (the button is pressed) |
| ``DELETE /v1/virtual/NAME`` | nothing |
| ``GET /v1/loaders`` | list of `LoaderView` |
| ``POST /v1/loaders/NAME/run``, ``…/cleared``, ``…/stop`` | `LoaderView` |

An error is `Refusal` with the HTTP status 400 (operator), 404 (no such thing), 409 (medium or
state) or 500 (a bug).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class DriveState(StrEnum):
    """What a drive does, as a person would say it."""

    EMPTY = "empty"
    LOADED = "loaded"  # a disc that nothing is being done with
    WORKING = "working"
    OFF = "off"  # disabled in the configuration
    LOST = "lost"


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of a running job. Sectors; seconds; `eta` None while unknown."""

    stage: str  # identifying, reading, writing, verifying
    what: str = ""
    done: int = 0
    total: int = 0
    unit: str = "sectors"
    rate: float = 0.0  # bytes a second
    eta: float | None = None
    bad: int = 0
    suspect: int = 0
    budget_left: float | None = None  # seconds


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job as callers see it."""

    id: str
    state: str
    drive: str
    name: str = ""  # volume id, or what else the disc is called
    medium: str = ""
    created: datetime | None = None
    ended: datetime | None = None
    image: str | None = None
    sentence: str = ""
    bad: int = 0
    progress: JobProgress | None = None


class DriveView(msgspec.Struct, frozen=True, kw_only=True):
    """A drive as callers see it."""

    name: str
    address: str
    model: str = ""
    serial: str = ""
    state: DriveState = DriveState.EMPTY
    sentence: str = ""
    job: JobView | None = None


class LoaderView(msgspec.Struct, frozen=True, kw_only=True):
    """A disc loader of the configuration and its stack.

    `held`: a person must look; `sentence` says why, or what is going on, or what a person is asked
    to do. The counts are of the stack at hand.
    """

    name: str
    driver: str
    drive: str
    running: bool = False
    held: bool = False
    accepted: int = 0
    rejected: int = 0
    sentence: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon as a whole."""

    version: str
    pid: int
    started: datetime
    archive: str
    free: int
    watching: str  # how insertions are noticed
    sentence: str = ""
    drives: tuple[DriveView, ...] = ()
    loaders: tuple[LoaderView, ...] = ()


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the stream. `kind`: status, drive, job, progress, loader, lagged, goodbye."""

    kind: str
    time: datetime
    status: Status | None = None
    drive: DriveView | None = None
    job: JobView | None = None
    loader: LoaderView | None = None


class VirtualAdd(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual drive to make. `profile`: the name of a built-in one, or a TOML file."""

    name: str
    profile: str | None = None


class VirtualInsert(msgspec.Struct, frozen=True, kw_only=True):
    """A disc to put in: absolute paths of an image and, if wanted, a fault plan.

    `medium`: the recordable disc that it is, ``cd-r`` and so on; without one it is pressed.
    """

    image: str
    faults: str | None = None
    medium: str = ""


class VirtualView(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual drive of the daemon."""

    name: str
    address: str
    tray_open: bool = False
    image: str | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call was refused: one sentence and the exit code of its family."""

    error: str
    exit_code: int


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One line that a worker process prints for its daemon.

    `kind`: drive (model and serial), claimed (the disc is known, `job` is its id), progress, ended.
    `needs_space`: the job goes on when the archive has `space` bytes more than the configured
    minimum. `lost`: disc or drive went away under the work.
    """

    kind: str
    job: str | None = None
    name: str = ""
    medium: str = ""
    model: str = ""
    serial: str = ""
    state: str = ""
    sentence: str = ""
    image: str | None = None
    bad: int = 0
    exit_code: int = 0
    needs_space: bool = False
    space: int = 0
    lost: bool = False
    ejected: bool = False
    progress: JobProgress | None = None
