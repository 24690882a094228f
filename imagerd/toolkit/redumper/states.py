# SPDX-License-Identifier: Apache-2.0
"""What redumper calls our states. Nothing is called better than we know it to be."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import SectorState, States


class State(IntEnum):
    """A sample's state in a .state file; redumper replaces a lower one by a higher (common.ixx)."""

    ERROR_SKIP = 0  # never read, or an error: what a hole in the file holds
    ERROR_C2 = 1
    SUCCESS_C2_OFF = 2  # read without complaint; nobody looked at C2
    SUCCESS_SCSI_OFF = 3
    SUCCESS = 4


# READ is not SUCCESS: whether C2 was looked at in just that reading is not kept, and of an image
# of other programs it is not known at all. `split` takes both for good; `refine` reads it again.
_CD: Final = {
    SectorState.UNREAD: State.ERROR_SKIP,
    SectorState.FAILED: State.ERROR_SKIP,
    SectorState.SUSPECT: State.ERROR_C2,
    SectorState.READ: State.SUCCESS_C2_OFF,
    SectorState.PROVEN: State.SUCCESS,
}


def cd_states(states: States) -> npt.NDArray[np.uint8]:
    """(n,) of `State` for the sectors of a CD."""
    return _table(_CD)[states]


def block_states(states: States, *, accounted: bool) -> npt.NDArray[np.uint8]:
    """(n,) of `State` for the blocks of a DVD or BD.

    There is no C2, and redumper reads only ERROR_SKIP again: so a SUSPECT block is that, though
    its bytes are kept. `accounted`: it is known how the blocks were read; else READ says only
    that they stand in a file.
    """
    read = State.SUCCESS if accounted else State.SUCCESS_SCSI_OFF
    skipped = {SectorState.SUSPECT: State.ERROR_SKIP, SectorState.READ: read}
    return _table(_CD | skipped)[states]


def _table(mapping: dict[SectorState, State]) -> npt.NDArray[np.uint8]:
    return np.array([mapping[state] for state in SectorState], np.uint8)
