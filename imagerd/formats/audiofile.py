# SPDX-License-Identifier: Apache-2.0
"""A compressed audio file behind a sheet, decoded on reading: FLAC, AIFF, Ogg Vorbis, MP3.

FLAC and AIFF give the very samples that were put in, and FLAC tells of each frame whether it is
damaged. The others lost some of the sound when they were made: their sectors are those of no disc.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.soundfiles import Sound, soundfile

_MAGIC = (b"fLaC", b"OggS", b"ID3", b"FORM")
_FRAME = 4  # bytes: two channels of 16 bits
_SECTOR = 588  # frames
_LONGEST = 450_000 * _SECTOR  # frames; as many sectors as an MSF address counts
# Frames to decode before those wanted after a jump: what a lossy decoder gives depends on what it
# decoded before, at most two blocks of Vorbis (16384), some ten frames of MP3 (11520).
_RUN_UP = 32768
_TRIED = 64  # sectors: the longest FLAC frame has 65535 samples, but mostly it is seven sectors


def is_audio(head: bytes, kind: str) -> bool:
    """Whether a file that begins with `head` is to be decoded; `kind` is what a sheet calls it."""
    if head.startswith(b"FORM"):
        return head[8:12] in (b"AIFF", b"AIFC")
    if head.startswith(_MAGIC):
        return True
    return kind == "MP3" and head[:1] == b"\xff" and len(head) > 1 and head[1] >= 0xE0


def open_audio(path: Path) -> DataFile:
    """The audio file `path`, read as the samples do in a WAVE file.

    Raises `BadInput` for what cannot be decoded or is not 44.1 kHz, stereo, `NotAvailable` where
    the package `soundfile` is missing.
    """
    file = DataFile(path, AudioStore(path))
    file.pad = True
    return file


class AudioStore:
    """The samples of an audio file as bytes, little-endian: a `ByteStore`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._errors = soundfile().SoundFileRuntimeError
        self._lock = threading.Lock()
        self._sound = _opened(path)
        self._lossy = self._sound.format in ("OGG", "MP3")
        self._at = 0
        self.size = self._sound.frames * _FRAME
        self.files: tuple[Path, ...] = (path,)
        self.suspect = False
        self.notes: tuple[str, ...] = ()
        if self._lossy:
            self.notes = (
                f"{path.name} lost some of the sound when it was made: its sectors are those of no"
                " disc",
            )

    def read_into(self, view: memoryview, offset: int) -> int:
        """Decode into `view`; where that fails, sector by sector, up to the one that is bad."""
        wanted = max(0, min(len(view), self.size - offset))
        whole = self._bytes(offset, wanted)
        if len(whole) == wanted:
            view[:wanted] = whole
            return wanted
        got = 0
        while got < wanted:
            piece = self._bytes(offset + got, min(_SECTOR * _FRAME, wanted - got))
            if not piece:
                break
            view[got : got + len(piece)] = piece
            got += len(piece)
        return got

    def lost(self, offset: int) -> int:
        """How many bytes from `offset`, where nothing can be decoded, cannot be either."""
        size = _SECTOR * _FRAME
        for rows in range(1, _TRIED):
            at = offset + rows * size
            if at >= self.size or self._bytes(at, min(size, self.size - at)):
                return rows * size
        return _TRIED * size

    def rest(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Close the file; idempotent."""
        self._sound.close()

    def _bytes(self, offset: int, count: int) -> bytes:
        """All `count` bytes from `offset`, or none."""
        skip = offset % _FRAME
        found = self._frames((offset - skip) // _FRAME, -(-(count + skip) // _FRAME))
        return b"" if found is None else found.tobytes()[skip : skip + count]

    def _frames(self, first: int, count: int) -> npt.NDArray[np.int16] | None:
        """Frames from `first`, (count, 2); None where they cannot all be decoded."""
        with self._lock:
            try:
                return self._decoded(first, count)
            except self._errors:  # of which the decoder does not recover
                self._sound.close()
                with suppress(BadInput):  # then it stays closed, and all further reads fail
                    self._sound, self._at = _opened(self._path), 0
                return None

    def _decoded(self, first: int, count: int) -> npt.NDArray[np.int16] | None:
        skip = 0
        if self._at != first:
            start = max(0, first - _RUN_UP) if self._lossy else first
            self._sound.seek(start)
            skip = first - start
        if self._lossy:
            found = _to_16_bits(self._sound.read(skip + count, "float32", always_2d=True))
        else:
            found = self._sound.read(skip + count, "int16", always_2d=True)
        self._at = first + count
        if len(found) != skip + count:
            self._at = -1
            return None
        return found[skip:].astype("<i2", copy=False)


def _to_16_bits(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    scaled = np.rint(samples * np.float32(32768))
    samples16: npt.NDArray[np.int16] = np.clip(scaled, -32768, 32767).astype(np.int16)
    return samples16


def _opened(path: Path) -> Sound:
    library = soundfile()
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        sound = library.SoundFile(file, closefd=True)
    except library.LibsndfileError as error:
        raise BadInput(
            f"{path} cannot be decoded: it is damaged, or of a kind that libsndfile does not know."
        ) from error
    try:
        _check(path, sound)
    except BadInput:
        sound.close()
        raise
    return sound


def _check(path: Path, sound: Sound) -> None:
    if (sound.channels, sound.samplerate) != (2, 44100):
        raise BadInput(
            f"{path} holds {sound.channels} channels at {sound.samplerate} Hz; a CD needs stereo"
            " at 44100 Hz: convert it first."
        )
    if sound.format in ("FLAC", "AIFF") and sound.subtype != "PCM_16":
        raise BadInput(
            f"{path} holds samples of the form {sound.subtype}; a CD needs 16 bits: convert it"
            " first."
        )
    if not 0 < sound.frames <= _LONGEST:
        raise BadInput(
            f"{path} does not tell how long it is, or is longer than a disc; encode it anew."
        )
