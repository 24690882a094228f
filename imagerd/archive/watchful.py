# SPDX-License-Identifier: Apache-2.0
"""What can make a running job stop: signals, and a disk that is getting full."""

from __future__ import annotations

import signal
import time

from imagerd.archive.stages import Interrupted, Stop
from imagerd.base.config import Config
from imagerd.base.space import free_bytes

_SPACE_SECONDS = 1.0


class Signals:
    """What the world outside wants: set by signals and by the free space, asked by the work."""

    def __init__(self, config: Config) -> None:
        self._wanted = Stop.NO
        self._config = config
        self._looked = 0.0

    def install(self) -> None:
        """Take SIGTERM and SIGINT (stop after a checkpoint) and SIGUSR1 (cancel).

        Also one that has come already, if they were blocked.
        """
        wanted = {
            signal.SIGTERM: Stop.PAUSE,
            signal.SIGINT: Stop.PAUSE,
            signal.SIGUSR1: Stop.CANCEL,
        }
        for number, stop in wanted.items():
            signal.signal(number, lambda *_, stop=stop: self._want(stop))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, wanted)

    def stop(self) -> Stop:
        """Why to stop, if at all."""
        now = time.monotonic()
        if self._wanted is Stop.NO and now - self._looked > _SPACE_SECONDS:
            self._looked = now
            if not has_space(self._config):
                self._want(Stop.SPACE)
        return self._wanted

    def _want(self, stop: Stop) -> None:
        if self._wanted is not Stop.CANCEL:
            self._wanted = stop


def has_space(config: Config, extra: int = 0) -> bool:
    """Whether the disks of archive and workspaces may take more, the archive's `extra` bytes."""
    least = config.archive.minimum_free
    return (
        free_bytes(config.archive.folder) >= least + extra
        and free_bytes(config.daemon.state) >= least
    )


def require_space(config: Config, size: int) -> None:
    """Raise `Interrupted` if the archive has no room for `size` bytes more.

    It is asked before an image is written: to find out when it is half written would take time,
    and what is cleared away then would look like space that has come back.
    """
    if not has_space(config, size):
        raise Interrupted(Stop.SPACE, size)
