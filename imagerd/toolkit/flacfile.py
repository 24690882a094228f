# SPDX-License-Identifier: Apache-2.0
"""FLAC files of CD audio: encoded by libsndfile, with tags of ours (RFC 9639, 8)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from imagerd import __version__
from imagerd.base.errors import BadInput, InternalError
from imagerd.disc.source import Bytes2D
from imagerd.formats.soundfiles import soundfile
from imagerd.toolkit.tags import Tags, vorbis_comment

_STREAMINFO, _PADDING, _COMMENT = 0, 1, 4
_LAST = 0x80
_ROOM = 4096  # bytes that taggers may use without writing the file anew
_PIECE = 1 << 18


class FlacEncoder:
    """Takes sectors of audio; `result` gives the bytes of the file, piece by piece.

    What is encoded lies in a nameless file in `folder` until then. Closing gives that up.
    """

    def __init__(self, folder: Path) -> None:
        library = soundfile()
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
        self._sound = library.SoundFile(
            self._file, "w", samplerate=44100, channels=2, subtype="PCM_16", format="FLAC"
        )

    def write(self, rows: Bytes2D) -> None:
        """Append (n, 2352) sectors."""
        samples = np.ascontiguousarray(rows).view("<i2").astype(np.int16, copy=False)
        self._sound.write(samples.reshape(-1, 2))

    def result(self, tags: Tags) -> Iterator[bytes]:
        """The finished file, with `tags`."""
        self._sound.close()
        self._file.seek(0)
        info, vendor = _blocks(self._file)
        blocks = (
            (_STREAMINFO, info),
            (_COMMENT, vorbis_comment(tags, vendor or f"imagerd {__version__}".encode())),
            (_PADDING, bytes(_ROOM)),
        )
        yield b"fLaC"
        yield from _headed(blocks)
        while piece := self._file.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Give up what was encoded; idempotent."""
        self._sound.close()
        self._file.close()


def _blocks(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """STREAMINFO and the encoder's name; leaves `stream` at the first frame."""
    if stream.read(4) != b"fLaC":
        raise InternalError("The encoder made no FLAC stream.")
    info = vendor = b""
    last = False
    while not last:
        head = stream.read(4)
        body = stream.read(int.from_bytes(head[1:], "big"))
        last = bool(head[0] & _LAST)
        kind = head[0] & ~_LAST
        if kind == _STREAMINFO:
            info = body
        elif kind == _COMMENT:
            vendor = body[4 : 4 + int.from_bytes(body[:4], "little")]
    return info, vendor


def _headed(blocks: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    blocks = tuple(blocks)
    for number, (kind, body) in enumerate(blocks, 1):
        if len(body) >= 1 << 24:
            raise BadInput("The tags are longer than a FLAC file can hold; write .wav.")
        mark = _LAST if number == len(blocks) else 0
        yield bytes((kind | mark,)) + len(body).to_bytes(3, "big") + body
