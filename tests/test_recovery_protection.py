# SPDX-License-Identifier: Apache-2.0
"""Protections are recognised by what they do, and damage is never taken for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import Medium, TrackMode, single_track
from imagerd.filesystems.dvdvideo import played
from imagerd.filesystems.filetable import FileTable
from imagerd.recovery.evidence import Why
from imagerd.recovery.protection.executables import section_names
from imagerd.recovery.protection.facts import (
    BadRange,
    BadSectors,
    Channel,
    Confidence,
    Facts,
    Finding,
    OddQ,
)
from imagerd.recovery.protection.recognise import expected, recognise
from imagerd.recovery.protection.subchannel import _MINUTE_3, _MINUTE_9
from tests.protected_discs import (
    facts,
    ifo,
    joined,
    kept_q,
    placed_iso,
    program,
    right_q,
    scratch,
    strewn,
    turned_q,
)
from tests.sources import data, lay_out
from tests.volumes import Volume

TOTAL = 30_000
GAP = range(801, 10_801)
SAFEDISC = placed_iso({"00000001.TMP": (800, 1), "GAME.EXE": (10_801, 15_000)}, TOTAL)
LITE = placed_iso({"00000001.LT1": (800, 1), "GAME.EXE": (2400, 15_000)}, TOTAL)
RING = range(2464, 7264)
RING_FILES = {"LaserLock": "LASERLOK/LASERLOK.IN", "Ring PROTECH": "PROTECT.PRO",
              "SmartE": "00002.TMP"}  # fmt: skip
MARKED = {"SafeDisc": SAFEDISC, "SafeDisc Lite": LITE} | {
    title: placed_iso({file: (RING.start, len(RING)), "GAME.EXE": (7264, 15_000)}, TOTAL)
    for title, file in RING_FILES.items()
}
DATEL = placed_iso({"BIG.DAT": (23, 20_000), "SLES_000.01": (20_023, 100)}, TOTAL)
PLAIN = placed_iso({"GAME.EXE": (800, 25_000)}, TOTAL)


def only(findings: tuple[Finding, ...], name: str) -> Finding:
    assert [found.name for found in findings] == [name]
    return findings[0]


# -- bad sectors behind and in files -----------------------------------------------------------


def test_the_errors_of_safedisc_are_expected_and_a_scratch_elsewhere_is_damage() -> None:
    made = strewn(GAP, 0.08)
    hurt = [range(15_000, 15_200), *scratch(range(20_000, 21_000), 15, 2)]
    found = only(recognise(facts(SAFEDISC, [*made, *hurt], why=Why.EDC)), "SafeDisc")
    assert found.confidence is Confidence.CERTAIN
    assert list(found.expected) == made
    in_vain = expected([found])
    assert len(in_vain) == sum(map(len, made))
    assert not any(lba in in_vain for area in hurt for lba in area)
    assert any("00000001.TMP" in sentence for sentence in found.evidence)
    assert any(str(found.sectors) in sentence for sentence in found.evidence)


def test_safedisc_lite_has_a_shorter_gap() -> None:
    made = strewn(range(801, 2301), 0.1)
    behind = [range(2380, 2381)]
    found = only(recognise(facts(LITE, [*made, *behind])), "SafeDisc Lite")
    assert list(found.expected) == made


def test_a_gap_that_cannot_be_read_for_other_reasons_is_no_safedisc() -> None:
    made = strewn(GAP, 0.08)
    for why in (Why.TIMEOUT, Why.TRANSPORT, Why.REFUSED):
        assert not only(recognise(facts(SAFEDISC, made, why=why)), "SafeDisc").expected


def test_what_was_not_tried_may_be_damage_as_well() -> None:
    told = facts(SAFEDISC, strewn(GAP, 0.08))
    assert only(recognise(told), "SafeDisc").expected
    unread = BadSectors([*told.bad, BadRange(GAP.stop, 5000, Why.NONE)])
    assert not only(recognise(replace(told, bad=unread)), "SafeDisc").expected


@pytest.mark.parametrize("title", RING_FILES)
def test_a_ring_in_its_file_is_expected(title: str) -> None:
    hurt = range(20_000, 20_050)
    found = only(recognise(facts(MARKED[title], [RING, hurt])), title)
    assert found.confidence is Confidence.CERTAIN
    assert found.expected == (RING,)


@pytest.mark.parametrize("title", RING_FILES)
@pytest.mark.parametrize("beyond", [(400, 0), (0, 400)])
def test_a_ruin_that_goes_beyond_the_file_is_damage(title: str, beyond: tuple[int, int]) -> None:
    ruin = range(RING.start - beyond[0], RING.stop + beyond[1])
    found = only(recognise(facts(MARKED[title], [ruin])), title)
    assert found.expected == ()
    assert found.confidence is Confidence.LIKELY
    assert any("count as damage" in sentence for sentence in found.evidence)


@pytest.mark.parametrize("title", RING_FILES)
def test_a_ruin_of_a_small_part_of_the_file_is_damage(title: str) -> None:
    found = only(recognise(facts(MARKED[title], [range(3000, 3400)])), title)
    assert found.expected == ()
    most = only(recognise(facts(MARKED[title], [range(3000, 6000)])), title)
    assert (most.confidence, most.expected) == (Confidence.LIKELY, (range(3000, 6000),))


@pytest.mark.parametrize("image", [SAFEDISC, LITE])
def test_where_a_directory_is_lost_no_gap_is_known_to_hold_nothing(image: bytes) -> None:
    gap = GAP if image is SAFEDISC else range(801, 2301)
    told = facts(image, strewn(gap, 0.1))
    files = FileTable(told.files.entries, ["The directory A/ cannot be read."], complete=False)
    found = recognise(replace(told, files=files))[0]
    assert (found.confidence, found.expected) == (Confidence.LIKELY, ())
    assert any("files may lie there" in sentence for sentence in found.evidence)


@pytest.mark.parametrize("title", MARKED)
def test_a_mark_without_bad_sectors_is_told_and_nothing_is_expected(title: str) -> None:
    found = only(recognise(facts(MARKED[title])), title)
    assert (found.confidence, found.expected) == (Confidence.LIKELY, ())


@pytest.mark.parametrize("title", MARKED)
@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0005, 0.6), seed=st.integers(0, 2**16))
def test_damage_all_over_is_never_expected(title: str, share: float, seed: int) -> None:
    bad = strewn(range(24, TOTAL), share, seed)
    assert not len(expected(recognise(facts(MARKED[title], bad))))


@pytest.mark.parametrize("title", MARKED)
@settings(max_examples=60, deadline=None)
@given(
    begin=st.integers(24, TOTAL - 50),
    length=st.integers(1, 12_000),
    turn=st.integers(9, 22),
    width=st.integers(1, 22),
)
def test_a_scratch_or_ruin_anywhere_is_not_expected_outside_what_holds_nothing(
    title: str, begin: int, length: int, turn: int, width: int
) -> None:
    area = range(begin, min(begin + length, TOTAL))
    bad = joined(lba for part in scratch(area, turn, width) for lba in part)
    in_vain = expected(recognise(facts(MARKED[title], bad)))
    if title in RING_FILES:  # only a ruin of its dummy file and of nothing else
        outside = [lba for run in bad for lba in run if lba not in RING]
        assert not in_vain or not outside
    else:  # a radial scratch that is shut in the gap is all that cannot be told, and hits nothing
        gap = GAP if title == "SafeDisc" else range(801, 2301)
        assert all(run.start >= gap.start and run.stop <= gap.stop for run in in_vain)
        assert not len(in_vain) or length > len(gap) // 2


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0005, 0.6), seed=st.integers(0, 2**16))
def test_without_marks_damage_is_nothing_but_damage(share: float, seed: int) -> None:
    bad = strewn(range(24, TOTAL), share, seed)
    assert recognise(facts(PLAIN, bad)) == ()
    assert recognise(facts(PLAIN, [range(800, 20_000)])) == ()


def test_codelock_has_bad_sectors_before_the_path_table() -> None:
    image = bytearray(placed_iso({"GAME.EXE": (2000, 100)}, TOTAL))
    # Path table and root move behind LBA 900, as on its discs.
    image[900 * 2048 : 901 * 2048] = image[18 * 2048 : 19 * 2048]
    image[900 * 2048 + 2 : 900 * 2048 + 6] = (901).to_bytes(4, "little")
    image[18 * 2048 : 20 * 2048] = bytes(4096)
    tables = (900).to_bytes(4, "little") + bytes(4) + bytes(8)
    image[16 * 2048 + 140 : 16 * 2048 + 156] = tables
    root = image[20 * 2048 : 21 * 2048]
    root[2:10] = root[36:44] = (901).to_bytes(4, "little") + (901).to_bytes(4, "big")
    image[901 * 2048 : 902 * 2048] = root
    record = (901).to_bytes(4, "little") + (901).to_bytes(4, "big")
    image[16 * 2048 + 158 : 16 * 2048 + 166] = record
    made = [range(18, 900)]
    with_section = (("GAME.EXE", ("CODE", "icd1")),)
    found = only(recognise(facts(bytes(image), made, programs=with_section)), "CodeLock")
    assert found.expected == (range(18, 900),)
    assert recognise(facts(bytes(image), made)) == ()
    wide = facts(bytes(image), [range(18, 900), range(902, 1100)], programs=with_section)
    assert only(recognise(wide), "CodeLock").expected == ()


def test_datel_has_one_stretch_in_its_first_file() -> None:
    found = only(recognise(facts(DATEL, [range(40, 1500)], why=Why.C2)), "Datel")
    assert (found.confidence, found.expected) == (Confidence.CERTAIN, (range(40, 1500),))
    later = only(recognise(facts(DATEL, [range(900, 1500)])), "Datel")
    assert later.confidence is Confidence.LIKELY
    for bad in ([range(40, 1500), range(1600, 1601)], [range(40, 60)], [], strewn(GAP, 0.1)):
        assert only(recognise(facts(DATEL, bad)), "Datel").expected == ()


# -- files alone -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("CDCOPS.DLL",), "CD-Cops"),
        (("SETUP.QZ_",), "CD-Cops"),
        (("ENODPL.SYS", "TANDPL.SYS"), "Tages"),
        (("VOB-PCD.KEY",), "ProtectCD-VOB"),
        (("CMS32_95.DLL",), "SecuROM"),
    ],
)
def test_files_alone_tell_a_name_and_expect_nothing(files: tuple[str, ...], name: str) -> None:
    image = placed_iso({file: (800 + at, 1) for at, file in enumerate(files)}, 2000)
    found = only(recognise(facts(image, [range(1000, 1200)])), name)
    assert found.expected == ()
    assert all(any(file in sentence for sentence in found.evidence) for file in files)


def test_twin_sectors_make_tages_certain_whatever_its_files_are_called() -> None:
    plain = facts(placed_iso({"GAME.EXE": (800, 1)}, 2000))
    found = only(recognise(replace(plain, twins=(900, 901, 950))), "Tages")
    assert (found.confidence, found.expected) == (Confidence.CERTAIN, ())
    assert "3 sectors, the first at LBA 900" in found.evidence[0]
    assert recognise(replace(plain, twins=(900,))) == (), "one may be chance"


def test_one_driver_alone_is_no_tages_and_audio_makes_cactus() -> None:
    assert recognise(facts(placed_iso({"ENODPL.SYS": (800, 1)}, 2000))) == ()
    image = placed_iso({"YUCCA.CDS": (800, 1)}, 2000)
    assert recognise(facts(image)) == ()
    told = facts(image)
    layout = lay_out([data(2000), replace(data(100), mode=TrackMode.AUDIO)])
    assert only(recognise(replace(told, layout=layout)), "Cactus Data Shield").expected == ()


def test_a_dead_data_session_behind_good_audio_is_possible_only() -> None:
    layout = lay_out([replace(data(9000), mode=TrackMode.AUDIO), replace(data(400), session=2)])
    start = layout.sessions[1].start
    dead = BadSectors([BadRange(start, 400, Why.MEDIUM)])
    found = recognise(Facts(layout=layout, bad=dead))[0]
    assert (found.confidence, found.expected) == (Confidence.POSSIBLE, ())
    half = BadSectors([BadRange(start, 399, Why.MEDIUM)])
    assert recognise(Facts(layout=layout, bad=half)) == ()
    scratched = BadSectors([BadRange(100, 50, Why.C2), BadRange(start, 400, Why.MEDIUM)])
    assert recognise(Facts(layout=layout, bad=scratched)) == ()


def test_the_sections_of_programs_are_read_and_nonsense_has_none() -> None:
    assert section_names(program(".text", ".vob.pcd", "12345678")) == (
        ".text",
        ".vob.pcd",
        "12345678",
    )
    for broken in (b"", b"MZ", b"MZ" + b"\xff" * 100, program(".text")[:80], b"PE\0\0" * 40):
        assert section_names(broken) == ()


@given(st.binary(max_size=400))
def test_any_program_has_some_sections_or_none(junk: bytes) -> None:
    section_names(junk)
    section_names(b"MZ" + junk)
    section_names(program(".a") + junk)


# -- tables of contents ------------------------------------------------------------------------


def test_a_lead_out_that_no_disc_can_have_makes_its_tail_expected() -> None:
    tail = range(40_000, 449_849)
    refused = facts(PLAIN, [range(900, 950), tail], why=Why.REFUSED, lead_out=449_849)
    found = only(recognise(refused), "Fake TOC")
    assert (found.confidence, found.expected) == (Confidence.CERTAIN, (tail,))
    known = facts(PLAIN, [range(40_000, 305_571)], lead_out=305_571)
    assert only(recognise(known), "Fake TOC").confidence is Confidence.LIKELY
    good = facts(PLAIN, [range(900, 950)], lead_out=449_849)
    found = only(recognise(good), "Fake TOC")
    assert (found.confidence, found.expected) == (Confidence.POSSIBLE, ())


def test_unreadable_sectors_behind_the_volume_of_a_common_disc_are_damage() -> None:
    assert recognise(facts(PLAIN, [range(40_000, 330_000)], lead_out=330_000)) == ()


def test_a_file_behind_the_volumes_end_makes_its_toc_true() -> None:
    image = placed_iso({"LAST.BIN": (25_000, 100)}, TOTAL, claimed=20_000)
    assert recognise(facts(image, [range(29_000, 449_849)], lead_out=449_849)) == ()


# -- Q -----------------------------------------------------------------------------------------

SET = (0, 2, 3, 7, 9, 10, 12, 15)
XA = single_track(60_000, TrackMode.MODE2)
ROM = single_track(60_000, TrackMode.MODE1)


def odd(lbas: list[int], make: Callable[[int], bytes]) -> tuple[OddQ, ...]:
    return tuple(OddQ(lba, make(lba)) for lba in sorted(lbas))


def libcrypt(bits: tuple[int, ...], minutes: tuple[tuple[int, ...], ...]) -> list[int]:
    return [m[bit] + echo for m in minutes for bit in bits for echo in (0, 5)]


@pytest.mark.parametrize("make", [turned_q, kept_q])
@pytest.mark.parametrize("minutes", [(_MINUTE_3,), (_MINUTE_3, _MINUTE_9)])
def test_libcrypt_is_known_by_its_pairs(
    make: Callable[[int], bytes], minutes: tuple[tuple[int, ...], ...]
) -> None:
    lbas = libcrypt(SET, minutes)
    damaged = tuple(OddQ(lba, b"\x41" + bytes(11)) for lba in range(100, 200))
    found = only(recognise(Facts(layout=XA, odd_q=damaged + odd(lbas, make))), "LibCrypt")
    assert found.confidence is Confidence.CERTAIN
    assert [area.start for area in found.expected] == sorted(lbas)
    assert found.channel is Channel.Q
    assert not len(expected([found])), "the sectors themselves are good"
    assert "1011000101101001" in found.evidence[0]


def test_libcrypt_that_reads_badly_is_likely_and_less_is_nothing() -> None:
    lbas = libcrypt(SET[:7], (_MINUTE_3,))
    found = only(recognise(Facts(layout=XA, odd_q=odd(lbas, turned_q))), "LibCrypt")
    assert found.confidence is Confidence.LIKELY
    assert recognise(Facts(layout=XA, odd_q=odd(lbas[:10], turned_q))) == ()
    assert recognise(Facts(layout=XA, odd_q=odd([lba + 1 for lba in lbas], turned_q))) == ()


@pytest.mark.parametrize(("count", "version"), [(98, "SecuROM 3"), (10, "SecuROM 4")])
def test_securom_is_known_by_how_many_frames_are_made_wrong(count: int, version: str) -> None:
    lbas = [1000 + 37 * number for number in range(count)]
    found = only(recognise(Facts(layout=ROM, odd_q=odd(lbas, kept_q))), version)
    assert found.confidence is Confidence.CERTAIN
    assert [area.start for area in found.expected] == lbas
    more = Facts(layout=ROM, odd_q=odd([*lbas, 50_000], kept_q))
    assert only(recognise(more), "SecuROM").confidence is Confidence.LIKELY


@pytest.mark.parametrize(("rows", "version"), [(24, "SecuROM 1"), (10, "SecuROM 2")])
@pytest.mark.parametrize("make", [turned_q, kept_q])
def test_early_securom_has_rows_of_frames_from_elsewhere(
    rows: int, version: str, make: Callable[[int], bytes]
) -> None:
    frames: list[OddQ] = []
    for row in range(rows):
        start = 1000 + 500 * row
        frames += [OddQ(start + at, right_q(start + at + 30), True) for at in range(8)]
        frames.append(OddQ(start + 8, make(start + 8)))
    lone = [OddQ(20_000 + 9 * at, turned_q(20_000 + 9 * at)) for at in range(40)]
    found = only(recognise(Facts(layout=ROM, odd_q=(*frames, *lone))), version)
    assert found.sectors == 9 * rows


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    count=st.integers(0, 3000),
    bits=st.integers(1, 20),
    layout=st.sampled_from([XA, ROM]),
)
def test_q_that_reads_badly_is_no_protection(
    seed: int, count: int, bits: int, layout: object
) -> None:
    rng = np.random.default_rng(seed)
    frames = []
    for lba in np.sort(rng.choice(60_000, count, replace=False)).tolist():
        q = np.unpackbits(np.frombuffer(right_q(lba), np.uint8))
        q[rng.integers(0, 96, bits)] ^= 1
        raw = np.packbits(q).tobytes()
        if raw != right_q(lba):
            frames.append(OddQ(lba, raw))
    assert recognise(Facts(layout=layout, odd_q=tuple(frames))) == ()  # type: ignore[arg-type]


# -- DVD ---------------------------------------------------------------------------------------

VOB = range(1000, 21_000)
DEAD = [range(3000 + 900 * n, 3500 + 900 * n) for n in range(6)]  # 500 unplayed of each 900
CELLS = [(0, 1999), *((2500 + 900 * n, 2899 + 900 * n) for n in range(5)), (7000, 19_999)]
MADE = [range(area.start + 7, area.start + 307) for area in DEAD]
VIDEO = {
    "VIDEO_TS/VIDEO_TS.IFO": (500, 2),
    "VIDEO_TS/VTS_01_0.IFO": (600, 2),
    "VIDEO_TS/VTS_01_0.BUP": (700, 2),
    "VIDEO_TS/VTS_01_1.VOB": (VOB.start, len(VOB)),
}
INFO = {
    "VIDEO_TS/VIDEO_TS.IFO": b"DVDVIDEO-VMG",
    "VIDEO_TS/VTS_01_0.IFO": ifo(CELLS, 400),
    "VIDEO_TS/VTS_01_0.BUP": ifo(CELLS, 400),
}
DVD = placed_iso(VIDEO, 22_000, contents=INFO)
SMALL = placed_iso(VIDEO | {"VIDEO_TS/VTS_01_1.VOB": (1000, 10)}, 1010, contents=INFO)
MARKED_DVD = placed_iso(VIDEO, 22_000, contents=INFO, application_use=b"MVSNRGFP\n\1")


@cache
def plays(image: bytes, failed: frozenset[int]) -> tuple[range, ...] | None:
    table = FileTable.of(Volume(image, medium=Medium.DVD))
    return played(Volume(image, failed, medium=Medium.DVD), table)


def dvd_facts(image: bytes, bad: list[range]) -> Facts:
    infos = frozenset(lba for area in bad for lba in area if lba < 1000)
    use = image[16 * 2048 + 883 :][:512]
    return facts(image, bad, medium=Medium.DVD, played=plays(image, infos), application_use=use)


def test_what_a_dvd_plays_are_the_cells_of_its_programs() -> None:
    source = Volume(DVD, medium=Medium.DVD)
    wanted = tuple(range(1000 + first, 1000 + last + 1) for first, last in CELLS)
    assert played(source, FileTable.of(source)) == wanted
    assert played(Volume(DVD, [600], medium=Medium.DVD), FileTable.of(source)) == wanted
    assert played(Volume(DVD, [600, 701], medium=Medium.DVD), FileTable.of(source)) is None
    plain = Volume(PLAIN, medium=Medium.DVD)
    assert played(plain, FileTable.of(plain)) is None


@given(st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=6)), max_size=20))
def test_any_ifo_plays_something_or_nothing(spoilt: list[tuple[int, bytes]]) -> None:
    image = bytearray(SMALL)
    for at, junk in spoilt:
        image[600 * 2048 + at : 600 * 2048 + at + len(junk)] = junk
    source = Volume(bytes(image), medium=Medium.DVD)
    found = played(source, FileTable.of(source)) or ()
    assert all(found)
    assert all(before.stop < after.start for before, after in pairwise(found))


def test_islands_that_nothing_plays_are_expected_and_a_scratch_is_not() -> None:
    hurt = [range(12_000, 12_016)]
    found = only(recognise(dvd_facts(DVD, [*MADE, *hurt])), "ARccOS or alike")
    assert (found.confidence, list(found.expected)) == (Confidence.LIKELY, MADE)
    marked = only(recognise(dvd_facts(MARKED_DVD, [*MADE, *hurt])), "RipGuard")
    assert (marked.confidence, list(marked.expected)) == (Confidence.CERTAIN, MADE)


@pytest.mark.parametrize(
    "bad",
    [
        MADE[:3],  # too few
        [range(1000, 21_000)],  # all
        [range(area.start - 300, area.stop) for area in MADE],  # over what is played, too
        scratch(VOB, 60, 16),
        [range(at, at + 150) for at in range(1000, 21_000, 700)],
        [range(600, 602), range(700, 702), *MADE],  # nobody knows what is played
        [],
    ],
)
def test_what_a_scratch_explains_is_damage(bad: list[range]) -> None:
    assert recognise(dvd_facts(DVD, bad)) == ()
    assert only(recognise(dvd_facts(MARKED_DVD, bad)), "RipGuard").expected == ()


@settings(max_examples=40, deadline=None)
@given(
    begin=st.integers(1000, 20_000),
    length=st.integers(16, 20_000),
    turn=st.integers(29, 75),
    blocks=st.integers(1, 5),
)
def test_a_scratch_on_a_dvd_is_never_expected(
    begin: int, length: int, turn: int, blocks: int
) -> None:
    area = range(begin, min(begin + length, VOB.stop))
    bad = joined(lba for part in scratch(area, turn, 16 * blocks) for lba in part)
    assert not len(expected(recognise(dvd_facts(DVD, bad))))
    assert not len(expected(recognise(dvd_facts(MARKED_DVD, bad))))


def test_sizes_beyond_the_disc_and_damage_are_possible_only() -> None:
    image = bytearray(DVD)
    at = image.index(b"VTS_01_1.VOB;1") - 33
    image[at + 10 : at + 18] = (2**31).to_bytes(4, "little") + (2**31).to_bytes(4, "big")
    found = only(recognise(dvd_facts(bytes(image), [range(12_000, 12_064)])), "ARccOS or alike")
    assert (found.confidence, found.expected) == (Confidence.POSSIBLE, ())
    assert any("not on the disc" in sentence for sentence in found.evidence)
