# SPDX-License-Identifier: Apache-2.0
"""The cue sheet that a disc came with, in a file beside an image whose container has no room.

Readers import this for every .iso: what only writers need is imported where it is needed.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.formats.binary import read_small
from imagerd.formats.keptsheet import LARGEST_PACKED, KeptSheet, pack, unpack

if TYPE_CHECKING:
    from imagerd.formats.output import Output
    from imagerd.formats.written import WriteOptions


def sidecar(target: Path) -> Path:
    """The file: X.gdi.sheet beside X.gdi."""
    return target.with_name(f"{target.name}.sheet")


def read_sidecar(path: Path) -> KeptSheet | None:
    """The sheet that is kept beside the image `path`; None if there is none that can be read."""
    beside = sidecar(path)
    if not beside.is_file():
        return None
    try:
        return unpack(read_small(beside, "kept cue sheet", LARGEST_PACKED))
    except BadInput:
        return None


def refuse_sidecar(target: Path, kept: KeptSheet | None, options: WriteOptions) -> None:
    """Raise before any work where a sheet is there that may not be replaced, or would be wrong.

    The same sheet may be there already, of an image that was removed since.
    """
    from imagerd.formats.output import refuse_all

    beside = sidecar(target)
    there = read_sidecar(target)
    if kept is not None and there is not None and there.sheet == kept.sheet:
        return
    if kept is None and beside.exists():
        raise AlreadyThere(
            f"{beside} keeps the sheet of another image {target.name}; remove it, or name another"
            " target."
        )
    refuse_all([beside], options)


def sidecar_output(
    target: Path, kept: KeptSheet | None, options: WriteOptions, stack: ExitStack
) -> list[Output]:
    """The file with `kept`, whole but not named; nothing where there is nothing to keep."""
    if kept is None:
        return []
    from imagerd.formats.output import Output

    if read_sidecar(target) == kept:
        return []
    output = Output(sidecar(target), options, stack)
    output.write_bytes(pack(kept))
    return [output]
