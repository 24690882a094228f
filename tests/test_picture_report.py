# SPDX-License-Identifier: Apache-2.0
"""The report for people, and what it is made of: history, looks from outside, maps of reports."""

from __future__ import annotations

import os
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import Layout, Medium, TrackMode, single_track
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import Recovery, recover
from imagerd.recovery.evidence import ErrorRange, Why
from imagerd.recovery.history import Gain, History, Timeline
from imagerd.recovery.job import DriveRecord, LayoutRecord
from imagerd.recovery.journal import Attempt, Doubt, Flags, Note
from imagerd.recovery.looking import Look
from imagerd.recovery.outside import EdgeRecord
from imagerd.recovery.picture.advice import advise
from imagerd.recovery.picture.chart import chart
from imagerd.recovery.picture.page import page
from imagerd.recovery.reader import Approach
from imagerd.recovery.report import (
    AudioReport,
    DiscReport,
    FileDigests,
    Fill,
    PassReport,
    ProtectionReport,
    RangeReport,
    Report,
    RunReport,
    bad_ranges,
    build_report,
)
from imagerd.recovery.reported import layout_of, map_of
from imagerd.recovery.sectormap import SectorMap
from imagerd.recovery.structure import (
    BadQReport,
    BorderReport,
    StructureReport,
    WriteOffsetReport,
)
from imagerd.recovery.subnumbers import NumberTold
from imagerd.recovery.subq import FlagsTold, IndexTold
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.blocks import read_all
from tests.strategies_recovery import (
    FastClock,
    ScriptedDrive,
    Spot,
    damage,
    data_disc,
    job_for,
    mixed_disc,
)

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CD = single_track(330_000, TrackMode.MODE1)
DRIVE = DriveRecord("VENDOR", "DRIVE", "1.0", "SERIAL", "/dev/sr0")
EVIL = "</title><script>alert(1)</script>\x00\x1b[2J\ud800\u202e\ufffe\"'&"


def sectors_of(
    layout: Layout, bad: Sequence[range] = (), why: Why = Why.MEDIUM, attempts: int = 3
) -> SectorMap:
    sectors = SectorMap(layout.ranges())
    states = np.full(layout.end, SectorState.PROVEN, np.uint8)
    for part in bad:
        states[part.start : part.stop] = SectorState.FAILED
        sense = (3, 0x11, 5) if why is Why.MEDIUM else None
        story = ErrorRange(part.start, len(part), why, sense, attempts, attempts, 1e9, 1e9)
        sectors.errors.add(story)
    sectors.raise_to(0, states)
    return sectors


def report_of(sectors: SectorMap, layout: Layout, **more: object) -> Report:
    good = not sectors.count(SectorState.FAILED, SectorState.SUSPECT, SectorState.UNREAD)
    passes = [PassReport("reading", NOW, {"unread": 9}, NOW, {"failed": 1})]
    report = Report(
        format=1,
        software="0.1",
        made=NOW,
        created=NOW,
        disc=DiscReport(
            "f" * 40, layout.medium.value, "toc", layout.sectors, None, LayoutRecord.of(layout)
        ),
        drive=DRIVE,
        counts={},
        complete=good,
        fill=Fill(0x55, 0),
        runs=[RunReport(NOW, "0.1", DRIVE, passes)],
        bad=list(bad_ranges(sectors, layout)),
        recovered=[],
        repaired=[],
        job="3f2a9c1e-0000",
        name="DISC",
        proven=[],
        files=[FileDigests("DISC.cue", 99, "0" * 8, "1" * 32, "2" * 40, "3" * 64)],
    )
    return msgspec.structs.replace(report, **more)


def text_of(html: str) -> str:
    """What a reader sees; the page must be XML as well."""
    return " ".join(ET.fromstring(html.partition("\n")[2]).itertext())


# -- the page ----------------------------------------------------------------------------------


def test_a_perfect_disc_has_a_small_report_that_says_so() -> None:
    sectors = sectors_of(CD)
    timeline = Timeline(8.0, [5000] * 240, [0] * 240, [0])
    html = page(report_of(sectors, CD, timeline=timeline), sectors, CD)
    assert "All 330 000 sectors were read." in text_of(html).replace("\u202f", " ")
    for absent in ("What to try next", "Bad sectors", "Recovered", "Copy protection", "Filling"):
        assert absent not in html
    assert len(html) < 16_000


def test_the_report_of_a_damaged_disc_tells_all_of_it() -> None:
    sectors = sectors_of(CD, [range(1000, 1010), range(5000, 5001)])
    sectors.repaired.add(range(70, 72))
    report = report_of(
        sectors,
        CD,
        repaired=[(70, 2)],
        findings=["MCN frames disagree."],
        gains=[Gain(7, 4), Gain(2, 1, True)],
        protection=[ProtectionReport("SafeDisc", "likely", ["A file."], "A rule.", [(5000, 1)])],
    )
    html = page(report, sectors, CD, lambda part: ["GAME.EXE"] if part.start == 1000 else [])
    seen = text_of(html).replace("\u202f", " ")
    for said in (
        *("11 of 330 000 sectors are missing or doubtful", "1000–1009", "03/11/05", "GAME.EXE"),
        *("MCN frames disagree.", "at 4x", "at 1x as audio", "SafeDisc", "A rule.", "2 sectors"),
        *("VENDOR DRIVE 1.0", "3" * 64, "medium (copy protection)", "SERIAL", "imagerctl merge"),
    ):
        assert said in seen, said
    assert "Of these, 1 sector belongs to a copy protection" in seen


STRUCTURE = StructureReport(
    indexes=[IndexTold(2, 0, None, 320, 320), IndexTold(2, 1, 470, 471, 470)],
    flags=[FlagsTold(2, 0, 2)],
    numbers=[
        NumberTold(None, "4006381333931", None, "4006381333931", 7, 9, True),
        NumberTold(2, "QZIMG26000", "QZIMG2600001", "QZIMG26000", 3, 3, False),
    ],
    bad_q=[BadQReport(5, "00:02:05", "00", "11", "other")] * 3,
    write_offset=WriteOffsetReport(-24, 6, 30, "sync", "certain", "18 of 18 syncs say so."),
    borders=[BorderReport(300, 2, "run-out", 1, "bad")],
    outside=[EdgeRecord("lead-out", 1, "leadout", 570, [(40, "read")], False, "limit")],
)


def test_the_page_tells_what_a_cd_is_beside_its_sectors() -> None:
    layout = mixed_disc().layout
    sectors = sectors_of(layout)
    report = report_of(sectors, layout, structure=STRUCTURE, audio=AudioReport(12, 258))
    seen = text_of(page(report, sectors, layout)).replace("\u202f", " ")
    for said in (
        "12 sectors came alike twice, and 258 were read once without complaint",
        *("Structure", "Sessions", "1–3", "4–4", f"{layout.sessions[0].lead_out} ("),
        *("320 (00:06:20)", "471 (00:08:21)", "they differ"),
        *("0x0", "0x2", "disc (MCN)", "7 of 9", "track 2 (ISRC)", "check digit is wrong"),
        "Write offset -24 samples (certain, by sync): combined with the drive's it is +6,",
        *("18 of 18 syncs", "3 frames of Q made wrong", "2 bad sectors at borders"),
        "40 sectors of the lead-out of session 1 from LBA 570 on, which Q does not name.",
    ):
        assert said in seen, said
    plain = text_of(page(report_of(sectors, layout), sectors, layout))
    assert "Structure" not in plain
    assert "alike" not in plain


def test_a_place_that_no_disc_has_breaks_no_page() -> None:
    sectors = sectors_of(CD)
    told = StructureReport(indexes=[IndexTold(1, 1, -(1 << 60), 1 << 60, 0)] * 900)
    seen = text_of(page(report_of(sectors, CD, structure=told), sectors, CD))
    assert str(1 << 60) in seen
    assert "and 500 more rows in the JSON report" in seen


def test_audio_that_came_alike_twice_is_told_from_what_was_read_once(tmp_path: Path) -> None:
    """Near damage audio is read again: what is not good then is neither."""
    drive = ScriptedDrive(mixed_disc(), {700: Spot()}, c2=True)
    with Workspace.create(tmp_path / "job", job_for(drive.source, c2=True)) as work:
        run(recover(drive, work, Budget(attempts=3), clock=FastClock().clock()))
        told = build_report(work).audio
        assert told is not None
        audio = [t for t in work.layout.tracks if not t.is_data]
        lbas = [lba for t in audio for lba in range(t.start, t.end)]
        good = [lba for lba in lbas if work.map.state(lba) is SectorState.READ]
        assert told.twice == sum(lba in work.map.confirmed for lba in good) > 0
        assert told.once == len(good) - told.twice
        assert told.twice + told.once < len(lbas)


def test_with_ever_so_many_bad_ranges_the_page_stays_readable() -> None:
    layout = single_track(4_000_000, TrackMode.BLOCKS, medium=Medium.BD)
    sectors = sectors_of(layout)
    bad = [
        RangeReport(lba, 1, "failed", 1, "medium", "03/11/05", 9, NOW, NOW)
        for lba in range(0, 800_000, 4)
    ]
    asked: list[range] = []
    long = "D" * 10_000

    def hit(part: range) -> list[str]:
        asked.append(part)
        return [long] * 50

    html = page(report_of(sectors, layout, bad=bad), sectors, layout, hit)
    assert len(html) < 4_000_000
    assert len(asked) <= 1000
    seen = text_of(html).replace("\u202f", " ")
    assert "and 199 000 more ranges with 199 000 sectors" in seen


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=40) | st.just(EVIL))
def test_whatever_a_disc_says_it_stays_a_text(evil: str) -> None:
    layout = single_track(60, TrackMode.MODE1)
    sectors = sectors_of(layout, [range(5, 7)])
    report = report_of(
        sectors,
        layout,
        name=evil,
        job=evil,
        findings=[evil],
        software=evil,
        drive=DriveRecord(evil, evil, evil, evil, evil),
        protection=[ProtectionReport(evil, evil, [evil], evil)],
        structure=StructureReport(
            numbers=[NumberTold(1, evil, evil, evil, 1, 1, False)],
            write_offset=WriteOffsetReport(0, 0, 0, evil, evil, evil),
            outside=[EdgeRecord(evil, 1, evil, 0, [(1, evil)], False, evil)],
        ),
        files=[FileDigests(evil, 1, evil, evil, evil, evil)],
        runs=[RunReport(NOW, evil, DRIVE, [PassReport(evil, NOW, {}, end=evil)])],
        disc=DiscReport(evil, "cd", evil, 60, evil, LayoutRecord.of(layout)),
    )
    html = page(report, sectors, layout, lambda _: [evil])
    root = ET.fromstring(html.partition("\n")[2])
    plain = page(report_of(sectors, layout), sectors, layout)
    plain_tags = {e.tag for e in ET.fromstring(plain.partition("\n")[2]).iter()}
    known = plain_tags | {"ul", "li", "h3"}
    assert {element.tag for element in root.iter()} <= known
    assert not {key for e in root.iter() for key in e.attrib if key.startswith("on")}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    sectors = sectors_of(CD, [range(9)])
    html = page(report_of(sectors, CD), sectors, CD).replace("http://www.w3.org/2000/svg", "")
    meta = [dict(element.attrib) for element in ET.fromstring(html[15:]).iter("meta")]
    assert any(one.get("content", "").startswith("default-src 'none'") for one in meta)
    for absent in ("http:", "https:", "url(", "@import", "<script", "src=", "<link", "<iframe"):
        assert absent not in html
    assert all(ref.startswith("#") for ref in re.findall(r'href="([^"]*)"', html))
    ids = re.findall(r'id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {ref[1:] for ref in re.findall(r'href="([^"]*)"', html)} <= set(ids)


def test_a_disc_of_one_sector_has_a_report() -> None:
    layout = single_track(1, TrackMode.MODE1)
    sectors = sectors_of(layout, [range(1)])
    assert "1 of 1 sector is missing" in text_of(page(report_of(sectors, layout), sectors, layout))


# -- advice ------------------------------------------------------------------------------------


def advice(sectors: SectorMap, layout: Layout = CD, **more: object) -> str:
    pieces = advise(report_of(sectors, layout, **more), sectors, layout)
    return "\n".join(f"{piece.what} {piece.why} {piece.command}" for piece in pieces)


def strewn(begin: int, end: int, step: int = 97) -> list[range]:
    return [range(at, at + 2) for at in range(begin, end, step)]


def test_no_advice_where_there_is_nothing_left_to_get() -> None:
    assert advice(sectors_of(CD)) == ""
    meant = ProtectionReport("X", "likely", [], "", [(900, 30)])
    assert advice(sectors_of(CD, [range(900, 930)]), protection=[meant]) == ""


def test_damage_at_the_rim_and_at_the_hub_is_told_from_damage_all_over() -> None:
    assert "Clean the rim" in advice(sectors_of(CD, strewn(310_000, 330_000)))
    assert "hub" in advice(sectors_of(CD, strewn(0, 8_000)))
    everywhere = advice(sectors_of(CD, strewn(0, 330_000)))
    assert "rim" not in everywhere
    assert "hub" not in everywhere


def test_a_scratch_is_told_from_a_ring_and_from_noise() -> None:
    geometry = [lba for lba in range(60_000, 200_000) if _angle(lba) < 0.06]
    assert "one side" in advice(sectors_of(CD, [range(lba, lba + 1) for lba in geometry]))
    assert "ring along the track" in advice(sectors_of(CD, [range(100_000, 102_000)]))
    noise = advice(sectors_of(CD, strewn(0, 330_000)))
    assert "one side" not in noise
    assert "ring along" not in noise


def _angle(lba: int) -> float:
    radius = (0.025**2 + lba * 1.3 / 75 * 1.6e-6 / np.pi) ** 0.5
    return float((radius - 0.025) / 1.6e-6 % 1)


def test_a_budget_that_ended_asks_for_a_retry() -> None:
    sectors = sectors_of(CD, [range(9)])
    ended = [RunReport(NOW, "", DRIVE, [PassReport("retrying", NOW, {}, NOW, {}, "time")])]
    assert "budget" in advice(sectors, runs=ended)
    assert "imagerctl retry 3f2a9c1e" in advice(sectors, runs=ended)
    assert "budget" not in advice(sectors)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (Why.TRANSPORT, "cable"),
        (Why.TIMEOUT, "hangs"),
        (Why.REFUSED, "refuses"),
        (Why.MEDIUM, "another drive"),
    ],
)
def test_advice_follows_the_reason(why: Why, said: str) -> None:
    told = advice(sectors_of(CD, [range(9)], why))
    assert said in told
    others = {"cable", "hangs", "refuses"} - {said}
    assert not [word for word in others if word in told]


def test_what_helped_is_told() -> None:
    sectors = sectors_of(CD, [range(9)])
    assert "slow speeds" in advice(sectors, gains=[Gain(60, 4), Gain(10, 16)])
    assert "slow speeds" not in advice(sectors, gains=[Gain(10, 4), Gain(60, 16)])
    assert "raw sectors" in advice(sectors, gains=[Gain(1, 8, as_audio=True)])


def test_a_second_copy_is_merged_by_a_command_that_a_shell_takes() -> None:
    name = "it's; rm -rf.cue"
    told = advice(sectors_of(CD, [range(9)]), files=[FileDigests(name, 1, "", "", "", "")])
    assert "imagerctl merge 'it'\"'\"'s; rm -rf.cue' OTHER.cue -o WHOLE.cue" in told


# -- history -----------------------------------------------------------------------------------


def attempt(time: float, good: int, bad: int = 0, **more: object) -> Attempt:
    runs = ((good, SectorState.READ), (bad, SectorState.FAILED))
    why = Why.MEDIUM if bad else Why.NONE
    made = Attempt(0, good + bad, runs, time, 0.5, why)
    return Attempt(**{**{f: getattr(made, f) for f in Attempt.__slots__}, **more})  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(0, 40), st.integers(0, 2))))
def test_the_timeline_counts_every_command_once(steps: list[tuple[float, int, int]]) -> None:
    history, now = History(), 0.0
    for wait, good, bad in steps:
        now += wait
        history.add(attempt(now, good, bad))
    timeline = history.timeline()
    assert sum(timeline.good) == sum(good for _, good, _ in steps)
    assert sum(timeline.failed) == sum(bad > 0 for _, _, bad in steps)
    assert len(timeline.good) == len(timeline.failed) <= 240
    assert ET.fromstring(chart(timeline, 2048)).tag.endswith("svg")


def test_pauses_between_runs_are_left_out() -> None:
    history = History()
    for begin in (0.0, 1e6):
        history.add(Note("run", b"{}"))
        for second in range(100):
            history.add(attempt(begin + second, 10))
    timeline = history.timeline()
    assert timeline.seconds < 250
    assert len(timeline.runs) == 2
    assert timeline.runs[0] == 0
    assert abs(timeline.runs[1] * timeline.step - 100) <= timeline.step


def test_ways_of_reading_are_told_by_what_they_brought() -> None:
    history = History()
    history.add(attempt(0, 500))
    history.add(attempt(1, 3, approach=3))
    history.add(attempt(2, 4, approach=3 | 32))
    history.add(attempt(3, 2, approach=1 | 8))
    history.add(attempt(4, 9, approach=3, flags=Flags.REPAIRED))
    history.add(attempt(5, 1, approach=16))
    history.add(attempt(6, 100, approach=32))
    history.add(attempt(7, 0, 3, approach=2))
    assert [(gain.sectors, gain.how) for gain in history.gains()] == [
        (7, "at 4x"),
        (2, "at 1x as audio"),
        (1, "at full speed uncorrected"),
    ]


@pytest.mark.parametrize("number", range(64))
def test_the_number_of_an_approach_tells_the_way_of_reading(number: int) -> None:
    assert Approach.of(number).number == number


# -- a look from outside -----------------------------------------------------------------------


def same(one: SectorMap, other: SectorMap) -> None:
    assert one.areas == other.areas
    for area in one.areas:
        assert (one.states(area.start, len(area)) == other.states(area.start, len(area))).all()
    assert one.repaired == other.repaired


def test_a_job_at_work_is_seen_and_not_disturbed(tmp_path: Path) -> None:
    drive = ScriptedDrive(mixed_disc(), {30: Spot(), 40: Spot(spoils="edc"), 50: Spot(heals=3)})
    with Workspace.create(tmp_path / "job", job_for(drive.source)) as work:
        with Look(tmp_path / "job") as look:
            assert look.passing == ""
            before = (tmp_path / "job" / "journal").stat().st_size
            looks = 0
            for step, _ in enumerate(
                Recovery(drive, work, Budget(), clock=FastClock().clock()).run()
            ):
                if step % 7 == 0:
                    look.catch_up()
                    same(look.map, work.map)
                    looks += 1
            assert looks > 5
            look.catch_up()
            same(look.map, work.map)
            assert list(look.map.errors) == list(work.map.errors)
            assert [note.body for note in look.notes] == [note.body for note in work.notes]
            assert look.passing
            assert not look.catch_up()
        assert before < (tmp_path / "job" / "journal").stat().st_size
        ours, theirs = build_report(look), build_report(work)
        assert msgspec.structs.replace(ours, made=theirs.made) == theirs


def test_what_was_doubted_later_is_not_seen_as_good(tmp_path: Path) -> None:
    source = mixed_disc()
    with Workspace.create(tmp_path / "job", job_for(source)) as work:
        rows = read_all(source, 310, 20).data
        work.commit(Attempt(310, 20, ((20, SectorState.READ),), 1.0), rows)
        work.doubt(Doubt(315, 2, 2.0, Why.C2))
        with Look(work.folder) as look:
            assert look.map.state(315) is SectorState.SUSPECT
            same(look.map, work.map)


def test_a_journal_that_its_writer_cuts_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(data_disc())) as work:
        work.checkpoint()
        with Look(folder) as look:
            work.commit(Attempt(0, 9, ((9, SectorState.FAILED),), 1.0, 0.0, Why.MEDIUM), None)
            look.catch_up()
            assert look.map.state(3) is SectorState.FAILED
            os.truncate(folder / "journal", (folder / "journal").stat().st_size - 5)
            look.catch_up()
            assert look.map.state(3) is SectorState.UNREAD


def test_what_a_power_failure_took_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(data_disc()), boot=bytes(16)) as work:
        work.commit(Attempt(0, 9, ((9, SectorState.FAILED),), 1.0, 0.0, Why.MEDIUM), None)
    with Look(folder) as look:
        assert look.map.state(3) is SectorState.UNREAD
        with Workspace.open(folder) as again:
            look.catch_up()
            same(look.map, again.map)
            again.commit(Attempt(20, 9, ((9, SectorState.FAILED),), 1.0, 0.0, Why.MEDIUM), None)
            look.catch_up()
            same(look.map, again.map)


def test_a_file_of_sectors_that_was_cut_short_holds_nothing_good(tmp_path: Path) -> None:
    folder, source = tmp_path / "job", data_disc()
    rows = read_all(source, 0, 50).data
    with Workspace.create(folder, job_for(source)) as work:
        work.commit(Attempt(0, 50, ((50, SectorState.PROVEN),), 1.0), rows)
    os.truncate(folder / "sectors.bin", 2352 * 20)
    with Look(folder) as look:
        assert look.map.state(19) is SectorState.PROVEN
        assert look.map.state(20) is SectorState.UNREAD


def test_where_no_job_is_nothing_is_seen(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        Look(tmp_path)


# -- from the report back to the map -----------------------------------------------------------


@settings(deadline=None, max_examples=12)
@given(damage(mixed_disc().layout))
def test_a_report_gives_back_the_map_that_it_was_made_of(
    tmp_path_factory: pytest.TempPathFactory, spots: dict[int, Spot]
) -> None:
    drive = ScriptedDrive(mixed_disc(), spots, c2=True)
    folder = tmp_path_factory.mktemp("job")
    with Workspace.create(folder, job_for(drive.source, c2=True)) as work:
        run(recover(drive, work, Budget(attempts=3), clock=FastClock().clock()))
        report = msgspec.json.decode(msgspec.json.encode(build_report(work)), type=Report)
        assert layout_of(report) == work.layout
        found = map_of(report)
        same(found, work.map)
        for bad in report.bad:
            story, known = found.errors.at(bad.lba), work.map.errors.at(bad.lba)
            if bad.attempts:
                assert story is not None
                assert known is not None
                assert (story.why, story.sense, story.attempts) == (
                    known.why,
                    known.sense,
                    known.attempts,
                )


def test_a_report_without_layout_or_proven_is_read_too() -> None:
    sectors = sectors_of(CD, [range(7)])
    old = report_of(sectors, CD, proven=None)
    old = msgspec.structs.replace(old, disc=DiscReport("f", "cd", "toc", CD.sectors))
    found = map_of(old)
    assert found.counts()[SectorState.FAILED] == 7
    assert found.counts()[SectorState.PROVEN] == 0
    assert found.counts()[SectorState.READ] == CD.sectors - 7


@pytest.mark.parametrize(
    "spoil",
    [
        {"repaired": [(1, 2)], "bad": "beyond"},
        {"bad": "absurd"},
        {"bad": "state"},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(spoil: dict[str, object]) -> None:
    report = report_of(sectors_of(CD, [range(7)]), CD)
    story = report.bad[0]
    wrong = {
        "beyond": msgspec.structs.replace(story, lba=CD.end + 5),
        "absurd": msgspec.structs.replace(story, lba=-(1 << 40)),
        "state": msgspec.structs.replace(story, state="odd"),
    }
    with pytest.raises(BadInput, match="report"):
        map_of(msgspec.structs.replace(report, bad=[wrong[str(spoil["bad"])]]))


def test_the_page_of_a_bd_full_of_holes_takes_seconds_not_minutes() -> None:
    layout = single_track(12_219_392, TrackMode.BLOCKS, medium=Medium.BD)
    sectors = sectors_of(layout, [range(at, at + 32) for at in range(0, 12_000_000, 6000)])
    report = report_of(sectors, layout)
    begin = time.process_time()
    page(report, sectors, layout)
    assert time.process_time() - begin < 2
