# SPDX-License-Identifier: Apache-2.0
"""All recognisers, over facts or over a job as it stands.

The engine asks once every sector has been tried, before it retries:

>>> findings = recognise(facts_of(work))                      # doctest: +SKIP
>>> in_vain = expected(findings)                              # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from imagerd.disc.source import SectorSource, SectorState
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.dvdvideo import played
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.volume import volume_id
from imagerd.recovery.evidence import Why
from imagerd.recovery.oddq import OddQ, odd_frames
from imagerd.recovery.protection import dvd, marks, rings, subchannel, toc
from imagerd.recovery.protection.executables import programs
from imagerd.recovery.protection.facts import (
    BadRange,
    BadSectors,
    Channel,
    Facts,
    Finding,
)
from imagerd.recovery.protection.twins import noted_twins
from imagerd.recovery.sectormap import BAD, RangeSet, SectorMap
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace

RECOGNISERS: tuple[Callable[[Facts], Finding | None], ...] = (
    rings.safedisc,
    rings.laserlock,
    rings.ringprotect,
    rings.smarte,
    rings.codelock,
    rings.protectcd,
    rings.datel,
    subchannel.libcrypt,
    subchannel.securom,
    marks.cdcops,
    marks.tages,
    marks.cactus,
    marks.dead_session,
    toc.fake_toc,
    dvd.ripguard,
    dvd.arccos,
)
_PRIMARY, _APPLICATION_USE = 16, slice(883, 883 + 512)


def recognise(facts: Facts) -> tuple[Finding, ...]:
    """What all recognisers find."""
    return tuple(found for ask in RECOGNISERS if (found := ask(facts)) is not None)


def recognise_in(work: Workspace) -> tuple[Finding, ...]:
    """What is found in a job as it stands; reads nothing from the drive.

    Best asked when every sector has been tried: what is UNREAD may be damage as well, so that
    near it no sector is expected to be bad.
    """
    return recognise(facts_of(work))


def expected(findings: Iterable[Finding]) -> RangeSet:
    """The sectors that are bad because they were made so. Q alone is not counted."""
    return RangeSet(
        area for found in findings if found.channel is Channel.SECTORS for area in found.expected
    )


def facts_of(work: Workspace) -> Facts:
    """The facts of a job as it stands, whatever can be read of its file systems."""
    facts = facts_of_source(WorkSource(work), bad_sectors(work.map), odd_q(work))
    noted = noted_twins(work)
    return facts if noted is None else replace(facts, twins=tuple(noted.twins))


def facts_of_source(source: SectorSource, bad: BadSectors, odd: tuple[OddQ, ...] = ()) -> Facts:
    """The facts of a disc or an image, of which `bad` is known to be bad."""
    table = FileTable.of(source)
    return Facts(
        layout=source.layout,
        bad=bad,
        files=table,
        volume=volume_id(source),
        application_use=_application_use(source),
        odd_q=odd,
        programs=programs(source, table),
        played=None if source.layout.is_cd else played(source, table),
    )


def bad_sectors(sectors: SectorMap) -> BadSectors:
    """The sectors of a map that are not good, each with the latest reason."""
    bad = [
        BadRange(story.lba, story.count, story.why, story.sense)
        for run in sectors.ranges(BAD)
        for story in sectors.errors.within(run.start, run.stop)
    ]
    unread = sectors.ranges((SectorState.UNREAD,))
    return BadSectors([*bad, *(BadRange(run.start, len(run), Why.NONE) for run in unread)])


def _application_use(source: SectorSource) -> bytes:
    disc = Blocks(source, most=1, failures=1)
    tracks = disc.tracks
    block = disc.read(tracks[0].index1 + _PRIMARY).block(0) if tracks else b""
    return block[_APPLICATION_USE] if block[:6] == b"\1CD001" else b""


def odd_q(work: Workspace) -> tuple[OddQ, ...]:
    """The odd frames of a job; none of audio discs, whose Q has no protection."""
    if not work.layout.is_cd or not work.has_sub or not work.layout.tracks[0].is_data:
        return ()  # and audio discs have the most frames to look at
    return odd_frames(work.layout, work.read_sub, work.map.states)
