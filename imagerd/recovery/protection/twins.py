# SPDX-License-Identifier: Apache-2.0
"""Twin sectors (Tages): a stretch of the spiral twice in a row, with the same addresses.

A head that comes from before such a stretch finds its first copy, one that comes from behind the
second. An image is read upward and has the first. So where Tages' files are on a disc, places all
over it are read once more in descending order, and compared. Each sector of both readings must
prove itself, so damage is never taken for a twin. Where on a disc twins lie is not documented:
what is found is certain, what is not found may have been missed.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from imagerd.base.progress import Progress, Task
from imagerd.devices.reading import ReadRequest
from imagerd.disc.layout import SectorFormat
from imagerd.disc.source import Sectors, SectorState
from imagerd.filesystems.filetable import FileTable
from imagerd.recovery.journal import Note
from imagerd.recovery.protection.facts import Facts
from imagerd.recovery.protection.marks import tages
from imagerd.recovery.reader import Reader
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.verify import check_data

KIND = "twins"
_PLACES, _SECTORS = 1500, 8  # of a full disc every 240th sector; and sectors of each place
_SECONDS = 180.0  # that the drive may take for all of them
_FAILURES = 3  # in a row


class TwinNote(msgspec.Struct, frozen=True):
    """Journal note "twins": how many sectors were compared, and the LBAs that have two contents."""

    compared: int
    twins: list[int]


def probe_twins(reader: Reader, work: Workspace) -> Task[TwinNote | None]:
    """Read places from behind, once for a job and only where Tages' files are; note what differs.

    Bounded in commands and time. None if it was done, or there is no reason to. Raises what
    `Reader.attempt` raises.
    """
    if noted_twins(work) is not None or not _has_marks(work):
        return None
    places = list(_places(work))
    count = min(_SECTORS, reader.max_sectors(SectorFormat.RAW))
    compared, twins = 0, list[int]()
    seconds, failures = 0.0, 0
    for number, lba in enumerate(reversed(places)):
        yield Progress(number, len(places), "places", "reading from behind")
        result = reader.attempt(ReadRequest(lba, count))
        seconds += result.seconds
        failures = failures + 1 if result.sectors is None else 0
        if result.sectors is not None:
            told, differing = _compared(work, result.sectors)
            compared += told
            twins += differing
        if seconds > _SECONDS or failures >= _FAILURES:
            break
    noted = TwinNote(compared, sorted(twins))
    work.note(Note(KIND, msgspec.json.encode(noted)))
    return noted


def noted_twins(work: Workspace) -> TwinNote | None:
    """What `probe_twins` noted."""
    for note in work.notes:
        if note.kind == KIND:
            return msgspec.json.decode(note.body, type=TwinNote)
    return None


def _has_marks(work: Workspace) -> bool:
    layout = work.layout
    if not layout.is_cd or not any(track.is_data for track in layout.tracks):
        return False
    return tages(Facts(layout=layout, files=FileTable.of(WorkSource(work)))) is not None


def _places(work: Workspace) -> Iterator[int]:
    """LBAs at equal distances in the data tracks, ascending, each with its sectors in one track."""
    areas = [range(track.index1, track.end) for track in work.layout.tracks if track.is_data]
    step = max(sum(map(len, areas)) // _PLACES, _SECTORS)
    for area in areas:
        yield from range(area.start, area.stop - _SECTORS + 1, step)


def _compared(work: Workspace, block: Sectors) -> tuple[int, list[int]]:
    """How many sectors prove themselves in both readings, and the LBAs of those that differ."""
    proven = work.map.states(block.lba, len(block)) == SectorState.PROVEN
    proven &= check_data(block.data, block.lba, parity=False).proven
    differ = proven & (work.read_rows(block.lba, len(block)) != block.data).any(axis=1)
    return int(proven.sum()), [block.lba + row for row in np.flatnonzero(differ).tolist()]
