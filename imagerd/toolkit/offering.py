# SPDX-License-Identifier: Apache-2.0
"""A cue sheet for a bare .bin, .img or .iso: what its sectors tell, and nothing copied.

The sheet has one track, as the image opened without one: where further tracks begin is in no such
file. It is offered only if, laid over the file, it says of it what was found out without it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.base.files import AtomicFile
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.formats import Image
from imagerd.formats.cue.place import place
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.datafile import DataFile
from imagerd.formats.registry import Container

_BARE = (Container.BIN, Container.ISO)
_TYPES = {
    (TrackMode.AUDIO, SectorFormat.RAW): "AUDIO",
    (TrackMode.AUDIO, SectorFormat.RAW_SUB): "CDG",
    (TrackMode.MODE0, SectorFormat.RAW): "MODE1/2352",
    (TrackMode.MODE1, SectorFormat.RAW): "MODE1/2352",
    (TrackMode.MODE1, SectorFormat.RAW_SUB): "MODE1/2352 RW_RAW",
    (TrackMode.MODE1, SectorFormat.USER): "MODE1/2048",
    (TrackMode.MODE2, SectorFormat.RAW): "MODE2/2352",
    (TrackMode.MODE2, SectorFormat.RAW_SUB): "MODE2/2352 RW_RAW",
    (TrackMode.MODE2, SectorFormat.MODE2): "MODE2/2336",
    (TrackMode.MODE2, SectorFormat.XA_USER): "MODE2/2332",
}


def sheet_for(image: Image) -> bytes:
    """The sheet of `image`, to lie beside its file.

    Raises `BadInput` for an image that has a table of its own, or that no sheet would describe.
    """
    path, layout = image.path, image.layout
    if image.format not in _BARE or image.files != (path,):
        raise BadInput(
            f"{path} is no bare .bin, .img or .iso, which alone lack a sheet; convert it."
        )
    track = layout.tracks[0]
    kind = _TYPES.get((track.mode, track.stored))
    if kind is None or any(char in path.name for char in '"\r\n'):
        raise BadInput(f"{path} is of a kind, or has a name, that no cue sheet can tell.")
    lines = [f'FILE "{path.name}" BINARY', f"  TRACK 01 {kind}", "    INDEX 01 00:00:00"]
    body = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
    if not _says(body, path, layout):
        raise BadInput(f"The sheet that {path} would get does not fit it; write one by hand.")
    return body


def write_sheet_for(image: Image, target: Path, *, overwrite: bool = False) -> None:
    """Write the sheet of `image` as `target`, beside its file, which stays where and as it is.

    Raises `AlreadyThere` rather than replace a sheet unasked.
    """
    body = sheet_for(image)
    if target.suffix.lower() != ".cue" or target.parent.resolve() != image.path.parent.resolve():
        raise BadInput(f"{target} is no .cue beside {image.path}, whose name a sheet can tell.")
    with AtomicFile(target, overwrite=overwrite) as file:
        file.stream.write(body)
        file.commit()


def _says(body: bytes, path: Path, layout: Layout) -> bool:
    """Whether the sheet says of the file `path` what it says of itself."""
    with closing(DataFile(path)) as file:
        try:
            found, _ = place(read_program(Sheet.parse(body)), [file])
        except BadInput:
            return False
    return found == layout
