# SPDX-License-Identifier: Apache-2.0
"""libsndfile by the package `soundfile`, loaded only when audio is to be coded or decoded."""

from __future__ import annotations

from typing import IO, Literal, Protocol, cast, overload

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import NotAvailable


class Sound(Protocol):
    """What is used of a `soundfile.SoundFile`; a frame is one sample of each channel."""

    samplerate: int
    channels: int
    frames: int
    format: str
    subtype: str

    def seek(self, frames: int) -> int:
        """Go to a frame."""
        ...

    @overload
    def read(
        self, frames: int, dtype: Literal["int16"], always_2d: bool
    ) -> npt.NDArray[np.int16]: ...

    @overload
    def read(
        self, frames: int, dtype: Literal["float32"], always_2d: bool
    ) -> npt.NDArray[np.float32]: ...

    def read(
        self, frames: int, dtype: str, always_2d: bool
    ) -> npt.NDArray[np.int16] | npt.NDArray[np.float32]:
        """Up to so many frames, (n, channels); floats from -1 to 1."""
        ...

    def write(self, data: npt.NDArray[np.int16]) -> None:
        """Append frames, (n, channels)."""
        ...

    def close(self) -> None:
        """Close; idempotent."""
        ...


class Library(Protocol):
    """What is used of the module `soundfile`."""

    SoundFileRuntimeError: type[Exception]
    LibsndfileError: type[Exception]  # one of these

    def SoundFile(  # noqa: N802 - a class there
        self,
        file: int | IO[bytes],
        mode: str = "r",
        samplerate: int | None = None,
        channels: int | None = None,
        subtype: str | None = None,
        endian: str | None = None,
        format: str | None = None,
        closefd: bool = True,
    ) -> Sound:
        """Open a descriptor or a stream."""
        ...


def soundfile() -> Library:
    """The library. Raises `NotAvailable` where the package is not installed."""
    try:
        import soundfile as library  # type: ignore[import-untyped,unused-ignore]
    except (ImportError, OSError) as error:  # OSError: without libsndfile
        raise NotAvailable(
            "FLAC, Ogg, MP3 and AIFF need the Python package soundfile, which is not installed."
        ) from error
    return cast("Library", library)
