# SPDX-License-Identifier: Apache-2.0
"""A drive's cache, by the time that reading a sector again takes.

What comes out of the cache takes a millisecond; for what does not, the disc must turn: several
milliseconds even at the highest speeds, more with a seek. So the first of many sectors is read
again after ever more of them, until it takes longer. (The method of cdrdao's and cd-paranoia's
cache models and of dvdisaster's cache probe.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from imagerd.devices.knowledge.bench import Bench, is_refused, patient
from imagerd.devices.knowledge.record import DriveKnowledge, Fua
from imagerd.devices.knowledge.site import SAMPLE, Site
from imagerd.devices.mmc_read import RAW, Read12
from imagerd.devices.reading import TRANSFER_CAP
from imagerd.devices.scsi import Command

_FAST = 0.005  # seconds: the disc has not turned to the sector meanwhile
_FEWEST = 16  # sectors of the first trial
_MOST = 4096  # 9.2 MiB: no optical drive known has a larger cache
_STEPS = 4  # trials for each doubling
_ROOM = 1024  # sectors on end, or a disc tells nothing of a cache
_FAR = 1000  # sectors
# Of eight sectors, those that are read again: going back, as a head that has passed must wait most.
_AGAIN = (5, 2)
_TIMEOUT = 10.0


def cache_size(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Between which numbers of sectors the cache ends."""
    first = site.long.start + max(len(site.long) - _MOST, 0) // 2
    room = min(site.long.stop - first, _MOST)
    if room < _ROOM:
        return known
    held = filled = 0
    for size in _sizes(room):
        if not _fill(bench, first + filled, size - filled):
            return known
        filled = size
        cached = _is_cached(bench, first)
        if cached is False:
            # Once may be chance. That reading has moved the head: begin anew to be sure.
            cached = _is_cached(bench, first) if _fill(bench, first, size) else None
        if cached is None:
            return known
        if not cached:
            return replace(known, cache_holds=held, cache_loses=size)
        held = size
    return replace(known, cache_holds=max(held, known.cache_holds or 0), cache_loses=None)


def flush(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether READ(12) with FUA of no sectors empties the cache."""
    lba = site.blocks
    command = Read12(lba, 0, fua=True, timeout=_TIMEOUT).command()
    reply = bench.execute(command)
    if is_refused(reply):
        return replace(known, flush=Fua.REFUSED)
    survives = _survives(bench, lba, lambda: bench.execute(command).ok)
    if survives is None:
        return known
    return replace(known, flush=Fua.IGNORED if survives else Fua.OBEYED)


def far_read(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether one sector read far away empties the cache."""
    lba = site.good
    far = site.far(lba)
    if abs(far - lba) < _FAR:
        return known
    read = patient(far, 1)
    survives = _survives(bench, lba, lambda: bench.read(read) is not None)
    return replace(known, far_read_empties=None if survives is None else not survives)


def fua(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether READ(12) with FUA reads from the disc what is in the cache."""
    if site.data is None:
        return known
    reply = bench.execute(_block(site.data + SAMPLE - 1, fua=True))
    if is_refused(reply):
        return replace(known, fua=Fua.REFUSED)
    answers = {_obeys(bench, site.data, site.data + again) for again in _AGAIN}
    if len(answers) != 1 or None in answers:
        return known
    return replace(known, fua=Fua.OBEYED if True in answers else Fua.IGNORED)


def _obeys(bench: Bench, lba: int, again: int) -> bool | None:
    """Whether FUA takes the time of the disc for the block `again`, which the cache has."""
    if bench.seconds_of(Read12(lba, SAMPLE, timeout=_TIMEOUT).command()) is None:
        return None
    cached = bench.seconds_of(_block(again))
    taken = bench.seconds_of(_block(again, fua=True))
    if cached is None or taken is None or cached >= _FAST:
        return None
    return taken >= _FAST


def _block(lba: int, *, fua: bool = False) -> Command:
    return Read12(lba, 1, fua=fua, timeout=_TIMEOUT).command()


def _survives(bench: Bench, lba: int, disturb: Callable[[], bool]) -> bool | None:
    """Whether sectors from `lba` on that are in the cache are still there after `disturb`.

    None if they were not there to begin with, or `disturb` failed, or it is not always the same.
    """
    answers: set[bool | None] = set()
    for again in _AGAIN:
        there = bench.read(patient(lba, SAMPLE)) is not None and _is_cached(bench, lba + again)
        if not there or not disturb():
            return None
        answers.add(_is_cached(bench, lba + again))
    return answers.pop() if len(answers) == 1 else None


def _is_cached(bench: Bench, lba: int) -> bool | None:
    """Whether one sector came in less time than the disc needs; None if it did not come."""
    seconds = bench.seconds_of(patient(lba, 1).command())
    return None if seconds is None else seconds < _FAST


def _fill(bench: Bench, lba: int, count: int) -> bool:
    """Read `count` sectors on end; False if one does not read well."""
    step = max(min(TRANSFER_CAP, bench.link.transport.max_transfer) // RAW, 1)
    for at in range(lba, lba + count, step):
        size = min(step, lba + count - at)
        if bench.seconds_of(patient(at, size).command()) is None:
            return False
    return True


def _sizes(room: int) -> Iterator[int]:
    """Sizes to try, four for each doubling, and `room` at last."""
    number = 0
    while (size := round(_FEWEST * 2 ** (number / _STEPS))) < room:
        yield size
        number += 1
    yield room
