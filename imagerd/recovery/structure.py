# SPDX-License-Identifier: Apache-2.0
"""What the report says of a CD beyond its sectors: subchannel, offsets, borders, surroundings.

Everything here is out of the job's folder and journal; nothing is asked of a drive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.msf import PREGAP, Msf
from imagerd.disc.source import Bytes2D
from imagerd.recovery.borders import borders
from imagerd.recovery.engine import RunNote
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.oddq import BadQ, Made, OddQ, intentional, made_wrong, q_lag
from imagerd.recovery.outside import EdgeRecord, read_record, sub_before
from imagerd.recovery.protection.facts import Channel, Finding
from imagerd.recovery.rereadq import confirmed
from imagerd.recovery.sectormap import NOT_GOOD
from imagerd.recovery.subnumbers import NumberTold
from imagerd.recovery.subq import FlagsTold, IndexTold, Refined
from imagerd.recovery.workspace import Workspace
from imagerd.recovery.writeoffset import noted_sync, silence_offset
from imagerd.sectors.subchannel import q_of
from imagerd.sectors.subrepair import repair_q

_LOUD = 0x7F
_CONTEXT = 256  # sectors around those whose Q is put right


class BadQReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame of Q that was made wrong: `q` and `crc` as hexadecimal; `made` as `Made` has it.

    `rereads`: how often it came out the same when it was read again.
    """

    lba: int
    msf: str
    q: str
    crc: str
    made: str
    rereads: int = 0


class WriteOffsetReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far samples lie from where Q says, in samples; positive: late.

    `combined` is the drive's and the disc's offset together, `samples` the disc's alone (None: the
    drive's is not known). `how`: "sync" or "silence"; `confidence`: certain, likely, possible. By
    silence any shift from `low` to `high` would do.
    """

    samples: int | None
    combined: int
    read_offset: int | None
    how: str
    confidence: str
    evidence: str
    low: int | None = None
    high: int | None = None


class BorderReport(msgspec.Struct, frozen=True):
    """Bad sectors that hold no content: "run-out" or "link" blocks of a recordable disc."""

    lba: int
    count: int
    kind: str
    track: int
    how: str


class StructureReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """`indexes` by table of contents and by Q; `flags` where those differ; `numbers`: MCN, ISRCs.

    `bad_q`: frames of Q made wrong on purpose. `outside`: sectors kept that lie outside the
    sessions.
    """

    indexes: list[IndexTold] = []
    flags: list[FlagsTold] = []
    numbers: list[NumberTold] = []
    bad_q: list[BadQReport] = []
    write_offset: WriteOffsetReport | None = None
    borders: list[BorderReport] = []
    outside: list[EdgeRecord] = []


def made_wrong_in(
    work: Workspace, odd: Sequence[OddQ], protection: Iterable[Finding] = ()
) -> tuple[BadQ, ...]:
    """Those of the `odd` frames of a job that were made wrong on purpose, as far as reading them
    again bears it out; those that `protection` names among them, and that of LBA -1, if it was
    read.
    """
    named = frozenset(
        lba
        for found in protection
        if found.channel is Channel.Q
        for area in found.expected
        for lba in area
    )
    found = confirmed(intentional(odd, work.layout, named), work)
    return (*_just_before(work), *found) if found else ()


def _just_before(work: Workspace) -> Iterator[BadQ]:
    """The frame of LBA -1, which SecuROM 3 and 4 make wrong as well."""
    session = next(work.layout.ranges())
    row = -1 - q_lag(session, work.read_sub)
    sub = sub_before(work.folder)
    if not -len(sub) <= row < 0:
        return
    frame = OddQ(-1, q_of(sub[row:][:1])[0].tobytes())
    if made_wrong(frame, work.layout) is Made.KEPT:
        yield BadQ(frame.lba, frame.q[:10], frame.q[10:], Made.KEPT)


def repaired_sub(work: Workspace, bad_q: Iterable[BadQ]) -> Callable[[int, int], Bytes2D]:
    """A reader of (count, 96) raw P–W of a job, like its `read_sub`, with Q put right in the copy.

    What was made wrong on purpose stays. Frames are told by their neighbours up to 256 sectors off.
    """
    frames = frozenset(frame.lba for frame in bad_q)
    lags = {area: q_lag(area, work.read_sub) for area in work.layout.ranges()}

    def read(lba: int, count: int) -> Bytes2D:
        area, lag = next((area, lag) for area, lag in lags.items() if lba in area)
        first, end = max(lba - _CONTEXT, area.start), min(lba + count + _CONTEXT, area.stop)
        keep = np.array([at + lag in frames for at in range(first, end)], np.bool_)
        rows, _ = repair_q(work.read_sub(first, end - first), keep=keep)
        return rows[lba - first : lba - first + count]

    return read


def structure_of(
    work: Workspace, refined: Refined, bad_q: Iterable[BadQ] = (), read_offset: int | None = None
) -> StructureReport | None:
    """The structure of a CD; None of other discs. `read_offset`: the drive's, if it is known."""
    if not work.layout.is_cd:
        return None
    record = read_record(work.folder)
    return StructureReport(
        list(refined.indexes),
        list(refined.flags),
        list(refined.numbers),
        [_bad_q(frame) for frame in bad_q],
        write_offset(work, refined.layout, read_offset),
        [BorderReport(b.lba, b.count, b.kind.value, b.track, b.how) for b in borders(work)],
        [] if record is None else record.edges,
    )


def write_offset(
    work: Workspace, layout: Layout, read_offset: int | None
) -> WriteOffsetReport | None:
    """The write offset by the syncs that were noted, else by silence in pauses; None: not known.

    `read_offset` is that of the drive of the last run; of syncs that another read it says nothing.
    """
    sync = noted_sync(work)
    if sync is not None:
        if _is_another(sync.drive, work):
            read_offset = None
        evidence = f"{sync.agreeing} of {sync.syncs} syncs of data read as audio say so."
        return WriteOffsetReport(
            _own(sync.combined, read_offset),
            sync.combined,
            read_offset,
            "sync",
            "certain",
            evidence,
        )
    fit = silence_offset(lambda lba, count: _rows_or_noise(work, lba, count), layout)
    if fit is None:
        return None
    sure = "likely" if fit.narrow and fit.loudest == 0 else "possible"
    evidence = (
        f"Shifts of {fit.low} to {fit.high} samples put {fit.pauses} pauses into silence"
        f" (no sample above {fit.loudest})."
    )
    own = _own(fit.combined, read_offset)
    return WriteOffsetReport(
        own, fit.combined, read_offset, "silence", sure, evidence, fit.low, fit.high
    )


def _is_another(drive: DriveRecord, work: Workspace) -> bool:
    """Whether the last run was in another drive; an earlier imagerd noted no drive."""
    for note in reversed(work.notes):
        if note.kind == "run":
            last = msgspec.json.decode(note.body, type=RunNote).drive
            return drive not in (DriveRecord(), last)
    return False


def _own(combined: int, read_offset: int | None) -> int | None:
    return None if read_offset is None else combined - read_offset


def _rows_or_noise(work: Workspace, lba: int, count: int) -> Bytes2D:
    """Rows of a job; what was not read must not pass for silence."""
    rows = work.read_rows(lba, count)
    for run in work.map.ranges(NOT_GOOD, lba, lba + count):
        rows[run.start - lba : run.stop - lba] = _LOUD
    return rows


def _bad_q(frame: BadQ) -> BadQReport:
    msf = str(Msf.from_frames(frame.lba + PREGAP))
    return BadQReport(
        frame.lba, msf, frame.q.hex(), frame.crc.hex(), frame.made.value, frame.rereads
    )
