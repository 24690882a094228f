# SPDX-License-Identifier: Apache-2.0
"""Getting to know a drive on the disc that is in it: what it is worth asking, and in which order.

Harmless: nothing is written or set, and what reaches beyond the disc's area, at which some drives
lock up, is only asked when a person wants it. Bounded: the seconds are limited, and it ends when
the drive does not take a command well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from imagerd import __version__
from imagerd.base.errors import NotAvailable
from imagerd.base.progress import Progress, Task
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.knowledge import cache, forms, reach
from imagerd.devices.knowledge.bench import Bench, Halted
from imagerd.devices.knowledge.record import UNKNOWN, DriveKnowledge
from imagerd.devices.knowledge.site import Site, find_site

AT_A_JOB = 4.0  # seconds of the drive's time, at the beginning of a job
AT_LEISURE = 60.0
_TRIES = 3  # discs on which an answer is looked for
_WORN = "No good sectors were found to try the drive on."

Ask = Callable[[Bench, Site, DriveKnowledge], DriveKnowledge]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be found out. `lacks`: whether it is not known yet.

    `needs_data`: only a disc with data tells. `beyond`: it reaches out of the disc's area.
    """

    what: str
    ask: Ask
    lacks: Callable[[DriveKnowledge], bool]
    needs_data: bool = False
    beyond: bool = False


# The cheap first; last what costs time or reaches far, where a drive may hang.
FACTS: tuple[Fact, ...] = (
    Fact("C2 field of 296 bytes", forms.other_c2_size, lambda known: known.c2_sizes is None),
    Fact(
        "lag of the subchannel",
        forms.sub_lag,
        lambda known: known.sub_lag is None and known.raw_sub is not False,
    ),
    Fact(
        "formatted Q",
        forms.formatted_q,
        lambda known: known.formatted_q is None or (known.formatted_q and known.q_binary is None),
    ),
    Fact("data as audio", forms.as_audio, lambda known: known.as_audio is None, needs_data=True),
    Fact("FUA", cache.fua, lambda known: known.fua is None, needs_data=True),
    Fact("emptying the cache", cache.flush, lambda known: known.flush is None),
    Fact("reading far away", cache.far_read, lambda known: known.far_read_empties is None),
    Fact("READ CD-DA", forms.read_cdda, lambda known: known.d8 is None),
    Fact("size of the cache", cache.cache_size, lambda known: known.cache_loses is None),
    Fact("first pregap", reach.pregap, lambda known: known.pregap is None, beyond=True),
    Fact("lead-in", reach.lead_in, lambda known: known.lead_in is None, beyond=True),
    Fact("lead-out", reach.lead_out, lambda known: known.lead_out is None, beyond=True),
)


def open_questions(drive: OpticalDrive, known: DriveKnowledge) -> tuple[Fact, ...]:
    """What this disc could tell of the drive that is not `known`, within the disc's area.

    After a few discs nothing is asked any more, nor what the drive hung at.
    """
    if not drive.layout.is_cd or known.tries >= _TRIES:
        return ()
    has_data = any(track.is_data for track in drive.layout.tracks)
    return tuple(
        fact
        for fact in FACTS
        if fact.lacks(known)
        and not fact.beyond
        and fact.what not in known.hung
        and (has_data or not fact.needs_data)
    )


def probe(
    drive: OpticalDrive,
    facts: tuple[Fact, ...] = FACTS,
    known: DriveKnowledge = UNKNOWN,
    *,
    limit: float = AT_LEISURE,
) -> Task[DriveKnowledge]:
    """Find out `facts` on the disc in `drive`, and whatever they need; `known` completed by them.

    `limit` seconds of the drive's time may pass, and one command more. What the disc does not tell
    stays as it was. Raises `NotAvailable` if the disc is no CD, and `NoMedium`, `WrongDisc`,
    `DriveLost`.
    """
    if not drive.layout.is_cd:
        raise NotAvailable(
            f"{drive.address} holds a {drive.medium.value.upper()}; a drive is tried out on a CD."
        )
    bench = Bench(drive, limit)
    what, ended = "C2 and subchannel", ""
    try:
        yield Progress(0, len(facts), "questions", what)
        known, site = _begun(bench, known)
        for number, fact in enumerate(facts):
            what = fact.what
            yield Progress(number, len(facts), "questions", what)
            known = fact.ask(bench, site, known)
    except Halted as halted:
        ended = halted.why
        if halted.hung:
            known = replace(known, hung=(*known.hung, what))
    return replace(
        known,
        tries=known.tries + 1,
        commands=bench.commands,
        seconds=round(bench.seconds, 3),
        ended=ended,
        software=__version__,
        probed=datetime.now(UTC),
    )


def _begun(bench: Bench, known: DriveKnowledge) -> tuple[DriveKnowledge, Site]:
    """What READ CD returns, if that is not known yet, and places where all else can be asked."""
    good = None
    if forms.features_of(known) is None:
        features = bench.drive.probe_read_features(via=bench)
        good = features.at
        if good is None:
            raise Halted(_WORN)
        known = forms.known_by(features, known)
    site = find_site(bench, good)
    if site is None:
        raise Halted(_WORN)
    bench.settled = True
    return known, site
