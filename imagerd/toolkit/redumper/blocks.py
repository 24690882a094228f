# SPDX-License-Identifier: Apache-2.0
"""A DVD or BD as .iso and .state."""

from __future__ import annotations

from typing import Final

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import SectorFormat
from imagerd.disc.source import SectorSource, SectorState
from imagerd.toolkit.redumper.judging import has_marker
from imagerd.toolkit.redumper.placing import runs
from imagerd.toolkit.redumper.states import block_states
from imagerd.toolkit.redumper.writing import Provenance, SetFiles, Told

_BATCH: Final = 512  # sectors of one step


def export_blocks(source: SectorSource, files: SetFiles, known: Provenance) -> Task[Told]:
    """The export of a DVD or BD: .iso, and a byte for each sector in .state."""
    told, layout = Told(), source.layout
    size = SectorFormat.USER.size
    iso, state = files.create(".iso").stream, files.create(".state").stream
    lba = layout.start
    while lba < layout.end:
        block = source.read(lba, min(_BATCH, layout.end - lba))
        if block.format is not SectorFormat.USER:
            raise BadInput(f"Sectors of {block.format.size} bytes cannot stand in an .iso.")
        states = np.where(has_marker(block.data), np.uint8(SectorState.FAILED), block.states)
        for begin, end, kept in runs(states > SectorState.FAILED):
            if kept:
                iso.seek((lba - layout.start + begin) * size)
                iso.write(np.ascontiguousarray(block.data[begin:end]).data.cast("B"))
        marks = block_states(states, accounted=known.accounted)
        state.write(np.ascontiguousarray(marks).data)
        told.count(marks)
        lba = block.end
        yield Progress(lba - layout.start, layout.sectors, what="reading")
    iso.truncate(layout.sectors * size)
    told.notes = [
        "Disc structures (.physical, .manufacturer, .bca) were not kept, so they are not here:"
        " redumper's refine asks for .physical.",
        "Sectors that could not be read are zeros and ERROR_SKIP; suspect ones keep their bytes"
        " and are ERROR_SKIP, too.",
    ]
    if not known.accounted:
        told.notes.append(
            "It is not known how the image was read: its sectors are SUCCESS_SCSI_OFF."
        )
    return told
