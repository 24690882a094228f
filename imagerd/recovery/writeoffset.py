# SPDX-License-Identifier: Apache-2.0
"""How far the samples of a disc lie from where its subchannel says that they are.

A mastering machine wrote them some samples early or late, and a drive reads them so again. What is
seen is both together: *combined* = the drive's read offset + the disc's write offset, positive
where samples come late (the sign of `imagerd.sectors.offset`).

By sync: data read as audio comes scrambled as it lies on the disc, and its headers say where it
belongs. That is certain. By silence: pauses (INDEX 00) were digital silence when most audio discs
were mastered; where they are again after a shift, that may be the offset. That is a guess, and as
good as the range of shifts is narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from imagerd.base.progress import Progress, Task
from imagerd.devices.reading import ReadRequest
from imagerd.disc.layout import Layout, Track
from imagerd.disc.msf import Msf
from imagerd.disc.source import Bytes2D
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.journal import Note
from imagerd.recovery.reader import Reader, drive_record
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.geometry import HEADER, MODE, RAW, SYNC
from imagerd.sectors.offset import SAMPLE, SAMPLES, audio_areas
from imagerd.sectors.scramble import stream

KIND = "sync"
_SPOTS, _SECTORS = 3, 6  # places in the data, and sectors of each, that are read as audio
_SYNCS = 3  # that must agree
_FARTHEST = 150 * RAW  # bytes that data may be away from its place
_LOUDEST = 32  # what still counts as silence, of 32768
_REACH = 4 * SAMPLES  # shifts that are tried, each way
_SHORTEST = 20  # sectors of a pause that is looked at
_LONGEST = 150  # sectors of it that are looked at
_NARROW = SAMPLES // 4

Samples = npt.NDArray[np.int32]


class SyncNote(msgspec.Struct, frozen=True):
    """Journal note "sync": the combined offset in samples, and how many of all `syncs` say so.

    `drive`: in which they were read, for another has another read offset.
    """

    combined: int
    agreeing: int
    syncs: int
    drive: DriveRecord = DriveRecord()


@dataclass(frozen=True, slots=True)
class SilenceFit:
    """Shifts from `low` to `high` samples put `pauses` into silence of at most `loudest`.

    `combined` is the one of them nearest to zero.
    """

    combined: int
    low: int
    high: int
    pauses: int
    loudest: int

    @property
    def narrow(self) -> bool:
        """Whether the range is narrow enough to be the work of more than chance."""
        return self.high - self.low <= _NARROW and self.pauses > 1


# -- by sync -----------------------------------------------------------------------------------


def sync_offsets(rows: Bytes2D, lba: int) -> Iterator[int]:
    """The combined offset, in bytes, of each sync in (n, 2352) rows read as audio from `lba` on.

    Only data as it lies on the disc, scrambled, tells: a drive that unscrambles has moved it.
    """
    flat = np.ascontiguousarray(rows).reshape(-1)
    raw, scrambler = flat.tobytes(), stream()
    at = raw.find(SYNC)
    while 0 <= at <= len(raw) - MODE - 1:
        header = flat[at + HEADER : at + MODE + 1] ^ scrambler[HEADER : MODE + 1]
        try:
            named = Msf.from_bcd(header.tobytes()).program_lba
        except ValueError:
            named = None
        if named is not None and header[3] & 0x1F <= 2:
            offset = at - (named - lba) * RAW
            if abs(offset) <= _FARTHEST:
                yield offset
        at = raw.find(SYNC, at + 1)


def agreed(offsets: Sequence[int]) -> SyncNote | None:
    """What most syncs say, in samples; None if too few do, or if that is no whole number."""
    if not offsets:
        return None
    best, votes = Counter(offsets).most_common(1)[0]
    if votes < _SYNCS or votes * 2 <= len(offsets) or best % SAMPLE:
        return None
    return SyncNote(best // SAMPLE, votes, len(offsets))


def probe_sync(reader: Reader, work: Workspace) -> Task[SyncNote | None]:
    """Read a few sectors of data as audio, and note what their syncs say.

    None where the drive refuses, or unscrambles, or has told before: here, or when it was asked for
    data as audio because of damage. Raises what `Reader.attempt` raises.
    """
    if not work.layout.is_cd or told_by(reader, work) is not None:
        return None
    offsets: list[int] = []
    for number, lba in enumerate(_spots(work.layout)):
        yield Progress(number, _SPOTS, "places", "write offset")
        result = reader.attempt(ReadRequest(lba, _SECTORS, as_audio=True))
        if result.sectors is None:
            break  # it refuses: so it would again
        offsets += sync_offsets(result.sectors.data, lba)
    told = agreed(offsets)
    return None if told is None else note_sync(reader, work, told)


def note_sync(reader: Reader, work: Workspace, told: SyncNote) -> SyncNote:
    """Note in the journal what syncs have told of the drive and the disc; returns the note."""
    noted = msgspec.structs.replace(told, drive=drive_record(reader))
    work.note(Note(KIND, msgspec.json.encode(noted)))
    return noted


def noted_sync(work: Workspace) -> SyncNote | None:
    """What was noted last."""
    for note in reversed(work.notes):
        if note.kind == KIND:
            return msgspec.json.decode(note.body, type=SyncNote)
    return None


def told_by(reader: Reader, work: Workspace) -> SyncNote | None:
    """What was noted last, if it was of the drive at work."""
    noted = noted_sync(work)
    return noted if noted is not None and noted.drive == drive_record(reader) else None


def _spots(layout: Layout) -> Iterator[int]:
    """Places in the longest data track, well inside it."""
    tracks = [track for track in layout.tracks if track.is_data]
    if not tracks:
        return
    track = max(tracks, key=lambda one: one.end - one.index1)
    room = track.end - track.index1 - _SECTORS
    if room < _SPOTS + 1:
        return
    for number in range(_SPOTS):
        yield track.index1 + room * (number + 1) // (_SPOTS + 1)


# -- by silence --------------------------------------------------------------------------------


def pauses_of(layout: Layout) -> tuple[range, ...]:
    """The pauses between audio tracks that are long enough to tell something, their beginnings."""
    found = []
    for area in audio_areas(layout):
        inside = [track for track in layout.tracks if area.start <= track.start < area.stop]
        found += [_pause(track) for track in inside[1:] if track.pregap >= _SHORTEST]
    return tuple(found)


def _pause(track: Track) -> range:
    return range(track.start, min(track.index1, track.start + _LONGEST))


def silence_offset(
    read: Callable[[int, int], Bytes2D], layout: Layout, reach: int = _REACH
) -> SilenceFit | None:
    """The shifts at which all pauses between audio tracks are silent; None if nothing can be told.

    `read(lba, count)` gives (count, 2352) rows as the drive gave them. The quietest shifts win.
    None also where every shift will do, as on discs with long fades.
    """
    pauses = pauses_of(layout)
    if not pauses:
        return None
    loudness = np.zeros(2 * reach + 1, np.int32)
    for pause in pauses:
        margin = -(-reach // SAMPLES)
        first, count = pause.start - margin, len(pause) + 2 * margin
        if any(layout.track_at(lba) is None for lba in (first, first + count - 1)):
            return None
        level = _level(read(first, count))
        begin = margin * SAMPLES - reach
        window = level[begin : begin + len(pause) * SAMPLES + 2 * reach]
        loudness = np.maximum(loudness, _sliding_max(window, len(pause) * SAMPLES))
    loudest = int(loudness.min())
    fitting = np.flatnonzero(loudness == loudest) - reach
    if loudest > _LOUDEST or len(fitting) == len(loudness):
        return None
    return _around_nearest(fitting, len(pauses), loudest)


def _around_nearest(fitting: npt.NDArray[np.intp], pauses: int, loudest: int) -> SilenceFit:
    """The unbroken run of shifts that holds the one nearest to zero."""
    at = int(np.abs(fitting).argmin())
    breaks = np.flatnonzero(np.diff(fitting) != 1) + 1
    low = int(fitting[breaks[breaks <= at].max(initial=0)])
    high = int(fitting[breaks[breaks > at].min(initial=len(fitting)) - 1])
    return SilenceFit(int(fitting[at]), low, high, pauses, loudest)


def _level(rows: Bytes2D) -> Samples:
    """(n * 588,): how loud each sample is, the louder of both channels."""
    stereo = np.ascontiguousarray(rows).reshape(-1).view("<i2").reshape(-1, 2).astype(np.int32)
    level: Samples = np.abs(stereo).max(axis=1)
    return level


def _sliding_max(values: Samples, width: int) -> Samples:
    """The maximum of each `width` values in a row: (n - width + 1,)."""
    reach, result = 1, values
    while reach < width:
        step = min(reach, width - reach)
        result = np.maximum(result[:-step], result[step:])
        reach += step
    return result
