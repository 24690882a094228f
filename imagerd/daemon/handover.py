# SPDX-License-Identifier: Apache-2.0
"""What a worker is to do, and the configuration that it works by, on the way to it.

A worker works by what the daemon has in force, not by what the file says when it happens to start:
a file that is being edited, or is wrong, must change nothing until the daemon has taken it over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from imagerd.base.config import Config, Size
from imagerd.base.errors import BadInput


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """The disc in the drive at `address`, or, if `job` is given, only that job."""

    address: str
    config: Config
    job: str | None = None
    again: bool = False


def pack_order(order: WorkerOrder) -> bytes:
    """The order as JSON, without the loaders, which are no worker's business."""
    config = replace(order.config, loader={})
    return msgspec.json.encode(replace(order, config=config), enc_hook=_encode)


def unpack_order(raw: bytes) -> WorkerOrder:
    """The order again. Raises `BadInput`."""
    try:
        return msgspec.json.decode(raw, type=WorkerOrder, dec_hook=_decode)
    except msgspec.MsgspecError as error:
        raise BadInput(f"What was handed over is no order: {error}.") from error


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(type(value))


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    if kind is Size and isinstance(value, int):
        return Size(value)
    raise NotImplementedError(kind)
