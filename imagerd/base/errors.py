# SPDX-License-Identifier: Apache-2.0
"""The errors of imagerd, in three families.

::

    ImagerdError
    ├── OperatorError          the caller can mend it: a wrong path, a missing right, a full disk
    │   ├── BadInput           a file that is not what it should be
    │   ├── AlreadyThere       we never overwrite unasked
    │   └── NotAvailable       a device, daemon, module or right that is missing
    ├── MediumError            the disc or the drive: no medium, a disc without a TOC, a lost drive
    │   ├── NoMedium
    │   ├── UnreadableDisc
    │   ├── WrongDisc          not the disc that a job was begun with
    │   └── DriveLost          the drive no longer answers
    └── InternalError          a bug of ours

Each carries one sentence: what, where, what to do. Bad *sectors* are never exceptions: they are
values in a block of sectors or in the sector map.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from imagerd.base.harmless import shortened


class ExitCode(IntEnum):
    """Stable exit codes of every command; documented in docs/exit-codes.md."""

    OK = 0
    FINDING = 1  # the work was done and found a difference, a bad sector, a mismatch
    OPERATOR = 2
    MEDIUM = 3
    INTERRUPTED = 4  # stopped by a signal after a checkpoint; can be resumed
    INTERNAL = 70


class ImagerdError(Exception):
    """Base of all errors that we raise on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __str__(self) -> str:
        return shortened(super().__str__())


class OperatorError(ImagerdError):
    """The person at the keyboard can mend this."""

    exit_code = ExitCode.OPERATOR


class BadInput(OperatorError):
    """A file or value that is not what it should be."""


class AlreadyThere(OperatorError):
    """The target exists, and overwriting was not asked for."""


class NotAvailable(OperatorError):
    """A device, a daemon, a kernel module or a permission is missing."""


class MediumError(ImagerdError):
    """The disc or the drive, as a whole."""

    exit_code = ExitCode.MEDIUM


class NoMedium(MediumError):
    """The drive is empty or its tray is open."""


class UnreadableDisc(MediumError):
    """There is a disc, but it cannot even be identified."""


class WrongDisc(MediumError):
    """The disc in the drive is not the one that the job was begun with."""


class DriveLost(MediumError):
    """The drive no longer answers: pulled, reset for good, or powered off."""


class InternalError(ImagerdError):
    """A bug in imagerd."""
