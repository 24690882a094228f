# SPDX-License-Identifier: Apache-2.0
"""A serial line to a robot: opened exclusively, read until it falls quiet.

Any URL of pyserial's `serial_for_url` will do: /dev/ttyUSB0, socket://host:port, rfc2217://…
"""

from __future__ import annotations

import errno
import termios
import time
from typing import Protocol

import serial

from imagerd.devices.loaders.contract import LoaderLost
from imagerd.devices.loaders.profile import LineSettings

_FAILURES = (serial.SerialException, OSError, termios.error)


class Wire(Protocol):
    """What a robot's driver needs of its line. All may raise `LoaderLost`."""

    def drain(self) -> None:
        """Forget what came in unasked: late answers to earlier commands."""
        ...

    def send(self, data: bytes) -> None:
        """Write `data` and wait until it has left."""
        ...

    def listen(self, timeout: float, quiet: float) -> bytes:
        """What comes within `timeout` seconds, until `quiet` seconds pass without a byte."""
        ...

    def close(self) -> None:
        """Let go of the port; idempotent."""
        ...


class SerialLine:
    """Bytes out, bytes in. Every failure of the port is a `LoaderLost` with one sentence."""

    def __init__(self, url: str, settings: LineSettings, *, tick: float = 0.02) -> None:
        """Open `url`; `tick` is the seconds between two looks at the clock while listening."""
        self.url = url
        try:
            self._port = serial.serial_for_url(
                url,
                baudrate=settings.baud,
                bytesize=settings.data_bits,
                parity=settings.parity,
                stopbits=settings.stop_bits,
                rtscts=settings.rtscts,
                timeout=tick,
                write_timeout=5.0,
                exclusive=True,
            )
        except (*_FAILURES, ValueError) as error:
            raise LoaderLost(_sentence(url, error)) from error

    def drain(self) -> None:
        """Forget what came in unasked: late answers to earlier commands."""
        try:
            self._port.reset_input_buffer()
        except _FAILURES as error:
            raise self._lost(error) from error

    def send(self, data: bytes) -> None:
        """Write `data` and wait until it has left."""
        try:
            self._port.write(data)
            self._port.flush()
        except _FAILURES as error:
            raise self._lost(error) from error

    def listen(self, timeout: float, quiet: float) -> bytes:
        """What comes within `timeout` seconds and until `quiet` seconds without a byte.

        Empty if nothing came.
        """
        heard = bytearray()
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                data = self._port.read(max(1, self._port.in_waiting))
            except _FAILURES as error:
                raise self._lost(error) from error
            if data:
                heard += data
                end = time.monotonic() + quiet
        return bytes(heard)

    def close(self) -> None:
        """Let go of the port; idempotent."""
        self._port.close()

    def _lost(self, error: BaseException) -> LoaderLost:
        return LoaderLost(
            f"The loader's port {self.url} failed ({error}); plug it in again and resume."
        )


def _sentence(url: str, error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return f"No right to use the loader's port {url}; add the user to the group dialout."
    if number == errno.ENOENT:
        return f"There is no port {url}; look whether the loader is plugged in and its name right."
    if number == errno.EAGAIN or "exclusively lock" in str(error):
        return f"The loader's port {url} is in use by another program; end that first."
    return f"Cannot open the loader's port {url}: {error}."
