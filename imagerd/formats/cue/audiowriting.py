# SPDX-License-Identifier: Apache-2.0
"""Audio tracks of a sheet as WAVE or FLAC files: the very samples, with a header before them.

The digests of a track are those of its samples, as of a .bin; those of the file are its own.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagerd.base.digests import Digests
from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile, move_into_place
from imagerd.disc.source import Bytes2D
from imagerd.formats.output import Output, digests_of, hasher
from imagerd.formats.soundfiles import soundfile
from imagerd.formats.written import WriteOptions, WrittenFile

_HEADER = 44


def wave_header(size: int) -> bytes:
    """What stands before `size` bytes of samples: stereo, 16 bits, 44.1 kHz, PCM."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44100, 44100 * 4, 4, 16)
    data = struct.pack("<4sI", b"data", size)
    return struct.pack("<4sI4s", b"RIFF", size + _HEADER - 8, b"WAVE") + form + data


class WaveOutput:
    """A WAVE file of `size` bytes of samples under a temporary name; a `Sink`."""

    def __init__(self, target: Path, options: WriteOptions, stack: ExitStack, size: int) -> None:
        self.digests: Digests | None = None
        self._file = Output(target, options, stack, size + _HEADER)
        self._samples = hasher(options, stack)
        self._file.write_bytes(wave_header(size))

    @property
    def part(self) -> Path:
        """Where the file lies before it has its name."""
        return self._file.part

    def write(self, data: Bytes2D) -> None:
        """Append sectors; they may not be changed afterwards."""
        self._file.write(data)
        if self._samples is not None:
            self._samples.update(data.data.cast("B"))

    def finish(self) -> None:
        """Close the file, on the disk if so asked; idempotent."""
        if self._samples is not None:
            self.digests = self._samples.digests()
            self._samples = None
        self._file.finish()

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        return self._file.name()


class FlacOutput:
    """A FLAC file under a temporary name; a `Sink`. Needs the package `soundfile`."""

    def __init__(self, target: Path, options: WriteOptions, stack: ExitStack) -> None:
        library = soundfile()
        self.target = target
        self.digests: Digests | None = None
        self._options = options
        self._samples = hasher(options, stack)
        self._errors = library.LibsndfileError
        self._file = stack.enter_context(AtomicFile(target, overwrite=options.overwrite))
        self._sound = library.SoundFile(
            self._file.stream, "w", samplerate=44100, channels=2, subtype="PCM_16", format="FLAC"
        )
        stack.callback(self._sound.close)
        self._finished = False
        self._own: Digests | None = None

    @property
    def part(self) -> Path:
        """Where the file lies before it has its name."""
        return self._file.part

    def write(self, data: Bytes2D) -> None:
        """Append sectors; they may not be changed afterwards."""
        samples = np.ascontiguousarray(data).view("<i2").astype(np.int16, copy=False)
        try:
            self._sound.write(samples.reshape(-1, 2))
        except self._errors as error:
            raise NotAvailable(f"Cannot write {self.target}: libsndfile failed.") from error
        if self._samples is not None:
            self._samples.update(data.data.cast("B"))

    def finish(self) -> None:
        """Close the file, on the disk if so asked; idempotent."""
        if self._finished:
            return
        self._finished = True
        self._sound.close()
        if self._samples is not None:
            self.digests = self._samples.digests()
        try:
            if self._options.sync:
                self._file.finish()
            self._file.stream.close()
        except OSError as error:
            raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error
        if self._options.hash:  # its header was written last
            self._own = digests_of(self._file.part)

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        move_into_place(self._file.part, self.target, overwrite=self._options.overwrite)
        return WrittenFile(self.target, self._own)
