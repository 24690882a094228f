# SPDX-License-Identifier: Apache-2.0
"""The daemon's configuration on its way to a worker.

A worker works by what the daemon has in force, not by what the file says when it happens to start:
a file that is being edited, or is wrong, must change nothing until the daemon has taken it over.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from imagerd.base.config import Config, Size
from imagerd.base.errors import BadInput


def pack_config(config: Config) -> bytes:
    """`config` as JSON, without the loaders, which are no worker's business."""
    return msgspec.json.encode(replace(config, loader={}), enc_hook=_encode)


def unpack_config(raw: bytes) -> Config:
    """The configuration again. Raises `BadInput`."""
    try:
        return msgspec.json.decode(raw, type=Config, dec_hook=_decode)
    except msgspec.MsgspecError as error:
        raise BadInput(f"What was handed over is no configuration: {error}.") from error


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
