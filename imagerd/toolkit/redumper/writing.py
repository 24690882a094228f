# SPDX-License-Identifier: Apache-2.0
"""What is asked of an export, the files that it writes, and what it tells."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile, move_into_place
from imagerd.recovery.job import TocRecord
from imagerd.sectors.offset import SAMPLES
from imagerd.toolkit.redumper.states import State

MOST_SHIFT: Final = 150 * SAMPLES  # samples; redumper looks no further for an offset either


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    `read_offset`: of the drive, AccurateRip's sign, where the source's audio is as the drive gave
    it; None: not known. `write_offset`: by how many samples data sectors are late on the disc;
    None: not known. `make_subcode`: P and Q out of the layout where no subchannel was kept.
    """

    overwrite: bool = False
    read_offset: int | None = None
    write_offset: int | None = None
    make_subcode: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a source beside its sectors.

    `corrected`: the read offset that was taken out of its audio already. `accounted`: somebody
    remembers what could not be read. `replies`: the drive's to READ TOC; None: nobody kept them.
    `facts` are for the log, names and values.
    """

    corrected: int | None = None
    accounted: bool = False
    replies: TocRecord | None = None
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Told:
    """What came out: how many samples (CD) or blocks have which state, and what to say of it."""

    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    notes: list[str] = field(default_factory=list)

    def count(self, states: npt.NDArray[np.uint8]) -> None:
        """Add `states` of `State`."""
        for state, number in enumerate(np.bincount(states, minlength=len(State)).tolist()):
            self.counts[State(state)] += number


class SetFiles:
    """The files of one set, under temporary names until `publish`."""

    def __init__(self, target: Path, options: ExportOptions, stack: ExitStack) -> None:
        self._target, self._overwrite, self._stack = target, options.overwrite, stack
        self._open: dict[str, AtomicFile] = {}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotAvailable(f"Cannot make {target.parent}: {error.strerror}.") from error

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files so far."""
        return tuple(self._open)

    def create(self, suffix: str) -> AtomicFile:
        """A new file, to be written at any place."""
        path = self._target.with_name(self._target.name + suffix)
        file = self._stack.enter_context(AtomicFile(path, overwrite=self._overwrite))
        self._open[suffix] = file
        return file

    def write(self, suffix: str, data: bytes) -> None:
        """A small file."""
        self.create(suffix).stream.write(data)

    def publish(self) -> tuple[Path, ...]:
        """Name all, in the order in which they were made."""
        for file in self._open.values():
            file.finish()
        for file in self._open.values():
            move_into_place(file.part, file.target, overwrite=self._overwrite)
        return tuple(file.target for file in self._open.values())
