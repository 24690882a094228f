# SPDX-License-Identifier: Apache-2.0
"""Any damaged disc through any drive: the image is right wherever it can be, and else says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagerd.catalog.records import JobState, RangeState
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.disc.layout import DiscType, Layout, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.sectors.verify import check_data
from tests.path_way import (
    PROFILES,
    Archived,
    Way,
    assert_accounts_agree,
    is_filling,
    sectors_of,
    way,
)
from tests.sources import TrackPlan, audio, data, memory_blocks, memory_disc
from tests.strategies_virtual import fault_plans

DISCS = {
    "data": memory_disc([data(420)]),
    "mixed": memory_disc([data(400), audio(360, pregap=150, indexes=(40,)), audio(230, 33)]),
    "xa": memory_disc([TrackPlan(TrackMode.MODE2, 400, form2=3)], disc_type=DiscType.XA),
    "music": memory_disc([audio(300, 60), audio(300, isrc="QZIMG2600001")]),
    "extra": memory_disc([audio(330), TrackPlan(TrackMode.MODE2, 300, session=2, form2=2)]),
    "dvd": memory_blocks(500, layers=(256,)),
}
RIGHT = {name: sectors_of(disc) for name, disc in DISCS.items()}
NO_C2, BIG_BUFFER = "no-c2", "liar"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as made:
        yield made


def provable(layout: Layout, lba: int) -> bool:
    """Whether wrong bytes of a sector can be told from right ones."""
    track = layout.track_at(lba)
    return track is not None and track.mode in (TrackMode.MODE1, TrackMode.MODE2)


def may_lie(layout: Layout, lba: int, faults: list[SectorFault], profile: str) -> bool:
    """Whether the plan can make a sector come wrong without any sign of it."""
    if provable(layout, lba):
        return False
    return any(
        fault.what is What.WRONG
        or (fault.what is What.C2 and (fault.missed > 0 or profile == NO_C2 or not layout.is_cd))
        for fault in faults
    )


def must_read(
    layout: Layout, lba: int, faults: list[SectorFault], plan: FaultPlan, profile: str
) -> bool:
    """Whether a reader with patience is sure to get the right bytes, and to know it.

    A buffer that no command empties and that is larger than the disc answers every second reading:
    wrong bytes stay in it, and audio near any damage of the disc cannot be confirmed.
    """
    if profile == BIG_BUFFER:
        track = layout.track_at(lba)
        if track is not None and not track.is_data and plan.sectors:
            return False
        if any(f.what in (What.WRONG, What.C2) for f in faults):
            return False
    return all(f.what is What.SLOW or f.times is not None for f in faults)


def compared(image: Bytes2D, right: Bytes2D, layout: Layout) -> bool:
    """Whether a sector of an image, raw or user data, is the source's."""
    if layout.is_cd and len(image) == 2048:
        right = right[16:2064]
    return bool(np.array_equal(image, right))


def assert_truthful(done: Archived, disc: str, plan: FaultPlan, profile: str) -> None:
    """Every sector: right, or listed; and listed sectors hold filling or what came."""
    layout = DISCS[disc].layout
    with done.opened() as image:
        found, known = sectors_of(image, raw=False), image.layout
    failed = done.lbas(RangeState.FAILED)
    suspect = done.lbas(RangeState.SUSPECT)
    assert not done.lbas(RangeState.UNREAD)
    for lba, right in RIGHT[disc].items():
        faults = [fault for fault in plan.sectors if fault.hits(lba)]
        told = f"LBA {lba}: {faults}"
        same = compared(found[lba], right, layout)
        if lba in failed:
            assert is_filling(found[lba], known, lba), told
            assert len(found[lba]) == 2048 or not _looks_valid(found[lba], lba, layout), told
        elif lba not in suspect:
            assert same or may_lie(layout, lba, faults, profile), told
        if must_read(layout, lba, faults, plan, profile):
            assert lba not in failed | suspect, told
        assert faults or same, told


def _looks_valid(row: Bytes2D, lba: int, layout: Layout) -> bool:
    track = layout.track_at(lba)
    if track is None or not track.is_data:
        return False
    return bool(check_data(row[np.newaxis], lba).data_ok[0])


def onto(plan: FaultPlan, layout: Layout) -> FaultPlan:
    """The plan with its addresses taken as counts of sectors: later sessions get their part."""
    lbas = [lba for area in layout.ranges() for lba in area]

    def moved(area: range) -> range:
        begin = lbas[area.start % len(lbas)]
        return range(begin, begin + len(area))

    faults = (replace(f, areas=tuple(moved(area) for area in f.areas)) for f in plan.sectors)
    return replace(plan, sectors=tuple(faults))


# Damage found while audio was being confirmed has neighbours, too.
LATE = FaultPlan.parse("""\
[[sectors]]
what = "unreadable"
lba = 0

[[sectors]]
what = "c2"
lba = 119
p = 0.5
""")
# Audio that came, does not come again, then does.
ONCE = FaultPlan.parse("""\
[[sectors]]
what = "unreadable"
lba = 1

[[sectors]]
what = "flaky"
lba = 0
p = 0.5
times = 2
""")


@settings(max_examples=80, deadline=None)
@example(disc="music", profile="plain", plan=LATE)
@example(disc="music", profile="plain", plan=ONCE)
@given(
    disc=st.sampled_from(list(DISCS)),
    profile=st.sampled_from(PROFILES),
    plan=fault_plans(990),
)
def test_any_fault_plan_gives_the_right_image_or_the_truth(
    there: Way, disc: str, profile: str, plan: FaultPlan
) -> None:
    plan = onto(plan, DISCS[disc].layout)
    done = there.archive(DISCS[disc], plan, profile)
    assert_accounts_agree(done, DISCS[disc].layout)
    assert_truthful(done, disc, plan, profile)
    state = JobState.PARTIAL if done.bad() else JobState.DONE
    assert done.outcome.state is done.image.state is state
    fillings = done.lbas(RangeState.FAILED)
    assert (done.image.fill is not None) is bool(fillings)
    shutil.rmtree(done.main.parent)


UNREADABLE = """\
[[sectors]]
what = "unreadable"
lba = 100
count = 13
sense = "03/11/00"

[[sectors]]
what = "unreadable"
lba = 300
sense = "04/09/02"
"""


def test_a_listed_error_tells_where_what_how_often_and_when(there: Way) -> None:
    done = there.archive(DISCS["data"], FaultPlan.parse(UNREADABLE))
    assert done.bad() == {*range(100, 113), 300}
    told = {r.lba: r for r in done.ranges if r.state is RangeState.FAILED}
    assert {lba: r.sense for lba, r in told.items() if lba < 113} == dict.fromkeys(
        (lba for lba in told if lba < 113), (3, 0x11, 0)
    )
    assert (told[300].count, told[300].kind, told[300].sense) == (1, "medium", (4, 9, 2))
    for entry in done.report.bad:
        known = told[entry.lba]
        sense = None if known.sense is None else "{:02X}/{:02X}/{:02X}".format(*known.sense)
        assert (entry.count, entry.state, entry.why) == (known.count, "failed", known.kind)
        assert (entry.sense, entry.attempts) == (sense, known.attempts)
        assert (entry.first, entry.last) == (known.first, known.last)
        assert known.attempts >= 5
        assert known.first is not None and known.last is not None and known.first < known.last
    assert done.image.fill is not None and "0x55" in done.image.fill
    assert done.main.suffix == ".iso"  # what was not read holds nothing that could be lost


@pytest.mark.parametrize("then", ["answer", "error", "timeout"])
@pytest.mark.parametrize("disc", ["data", "music", "dvd"])
def test_a_drive_that_hangs_at_a_sector_loses_that_sector_at_most(
    there: Way, disc: str, then: str
) -> None:
    hang = SectorFault(what=What.HANG, areas=(range(120, 122),), seconds=200.0, then=then)
    plan = FaultPlan((hang,))
    done = there.archive(DISCS[disc], plan)
    assert_accounts_agree(done, DISCS[disc].layout)
    assert done.bad() == {120, 121}
    bad = [entry for entry in done.ranges if entry.state.value == "failed"]
    assert {entry.kind for entry in bad} <= {"timeout", "medium"}


@pytest.mark.parametrize("what", ["timeout", "hang", "reset"])
def test_a_drive_in_trouble_now_and_then_spoils_nothing(there: Way, what: str) -> None:
    troubles = "".join(
        f"[[drive]]\nwhat = '{what}'\nlba = {lba}\nseconds = 100.0\n" for lba in (5, 150, 399)
    )
    done = there.archive(DISCS["mixed"], FaultPlan.parse(troubles))
    assert done.outcome.state is JobState.DONE
    assert_truthful(done, "mixed", FaultPlan(), "plain")
    assert_accounts_agree(done, DISCS["mixed"].layout)


def test_a_drive_that_is_lost_leaves_a_job_that_goes_on_with_the_same_disc(there: Way) -> None:
    lost = there.go(DISCS["xa"], FaultPlan.parse("[[drive]]\nwhat = 'lost'\nlba = 200"))
    assert lost.state is JobState.PAUSED
    assert lost.image is None and lost.job is not None
    assert not there.catalog.images.of_job(lost.job)
    other = there.archive(DISCS["music"])
    assert other.outcome.job != lost.job
    done = there.archive(DISCS["xa"], profile="plextor")
    assert done.outcome.job == lost.job
    assert_truthful(done, "xa", FaultPlan(), "plain")
    assert done.outcome.state is JobState.DONE


def test_what_parity_mended_is_right_and_said_to_be_mended(there: Way) -> None:
    wrong = SectorFault(what=What.WRONG, areas=(range(200, 203),), bytes=1, stable=True)
    done = there.archive(DISCS["data"], FaultPlan((wrong,)))
    assert done.outcome.state is JobState.DONE
    assert_truthful(done, "data", FaultPlan(), "plain")
    assert [(r.lba, r.count, r.state, r.repaired) for r in done.ranges] == [
        (200, 3, RangeState.PROVEN, True)
    ]
    assert done.report.repaired == [(200, 3)]


def test_a_wrong_sector_that_cannot_be_mended_is_kept_as_it_came_and_called_doubtful(
    there: Way,
) -> None:
    wrong = SectorFault(what=What.WRONG, areas=(range(200, 203),), bytes=600, stable=True)
    done = there.archive(DISCS["data"], FaultPlan((wrong,)))
    assert done.lbas(RangeState.SUSPECT) == {200, 201, 202}
    assert done.main.suffix == ".cue"  # only raw keeps all that is known of them
    assert done.image.fill is None
    with done.opened() as image:
        found = sectors_of(image)
    for lba in (200, 201, 202):
        assert 0 < np.count_nonzero(found[lba] != RIGHT["data"][lba]) <= 600
