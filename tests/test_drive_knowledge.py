# SPDX-License-Identifier: Apache-2.0
"""Trying out a drive finds just what its profile says, within bounds, and never guesses."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, NotAvailable, WrongDisc
from imagerd.base.progress import run
from imagerd.devices.knowledge.forms import features_of
from imagerd.devices.knowledge.probe import AT_A_JOB, FACTS, open_questions, probe
from imagerd.devices.knowledge.record import (
    ANSWERS,
    UNKNOWN,
    AsAudio,
    DriveKnowledge,
    Fua,
    Order,
    from_json,
    merged,
    to_json,
)
from imagerd.devices.reading import ReadRequest
from imagerd.devices.scsi import DID_TIME_OUT, Command, Reply
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile, profile_names
from imagerd.disc.layout import TrackMode
from tests.drives import drive_with, refused
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc

MIXED = memory_disc([data(5200), audio(1500)])
AUDIO = memory_disc([audio(5000)])
PREGAPS = (150, 135, 75, 1)
_RAW, _FUA_DATA = 2352, 8


def known_of(
    profile: DriveProfile, disc: MemorySource = MIXED, limit: float = 60.0
) -> DriveKnowledge:
    drive, _, _ = drive_with(disc, profile=profile)
    drive.identify()
    return run(probe(drive, limit=limit))


def check(profile: DriveProfile, known: DriveKnowledge, *, has_data: bool = True) -> None:
    """`known` is what `profile` says, as far as the disc can tell."""
    raw, formatted = 1 in profile.sub_modes, 2 in profile.sub_modes
    assert known.c2_sizes == tuple(sorted(profile.c2_sizes))
    assert known.raw_sub is raw
    both = Order.SUB_FIRST if profile.sub_before_c2 else Order.C2_FIRST
    assert known.order is (both if raw and profile.c2_sizes else Order.APART)
    assert known.formatted_q is formatted
    assert known.q_binary is (profile.q_binary if formatted else None)
    assert known.q_crc is (profile.q_crc if formatted else None)
    assert known.sub_lag == (profile.sub_shift if raw or formatted else None)
    assert known.d8 is profile.d8
    plain = {"refuse": "refused", "scrambled": "scrambled", "plain": "descrambled"}
    assert known.as_audio == (plain[profile.audio_on_data] if has_data else None)
    reach = profile.overread_before
    assert known.pregap == next((depth for depth in PREGAPS if depth <= reach), 0)
    assert known.lead_in is (reach > 150)
    assert known.lead_out == min(profile.overread_after, 100)
    check_cache(profile, known, has_data=has_data)


def check_size(profile: DriveProfile, known: DriveKnowledge) -> None:
    capacity = profile.cache_kb * 1024 // _RAW
    assert known.cache_holds is not None
    assert known.cache_holds <= capacity
    if known.cache_loses is None:
        assert known.cache_holds > 2000  # all that the disc has on end
    else:
        assert capacity < known.cache_loses <= max(16, known.cache_holds * 1.25)


def check_cache(profile: DriveProfile, known: DriveKnowledge, *, has_data: bool) -> None:
    check_size(profile, known)
    if profile.cache_kb * 1024 // _RAW < 2 * _FUA_DATA:
        return  # next to nothing is cached: what empties it need not be known
    assert known.flush is (Fua.OBEYED if profile.fua_drops_cache else Fua.IGNORED)
    assert known.far_read_empties is True
    if has_data:
        assert known.fua is (Fua.OBEYED if profile.fua else Fua.IGNORED)


@pytest.mark.parametrize("name", profile_names())
def test_a_built_in_profile_is_found_out(name: str) -> None:
    profile = DriveProfile.load(name)
    check(profile, known_of(profile))
    check(profile, known_of(profile, AUDIO), has_data=False)


PROFILES = st.builds(
    DriveProfile,
    c2_sizes=st.sampled_from([(), (294,), (296,), (294, 296)]),
    sub_modes=st.sampled_from([(), (1,), (2,), (1, 2), (1, 2, 4)]),
    sub_before_c2=st.booleans(),
    sub_shift=st.integers(-3, 3),
    q_binary=st.booleans(),
    q_crc=st.booleans(),
    read_offset=st.integers(-1200, 1900),
    d8=st.booleans(),
    audio_on_data=st.sampled_from(["refuse", "scrambled", "plain"]),
    overread_before=st.integers(0, 200),
    overread_after=st.integers(0, 130),
    cache_kb=st.integers(0, 9000),
    fua=st.booleans(),
    fua_drops_cache=st.booleans(),
    max_transfer=st.sampled_from([32768, 65536, 524288]),
    transfers_before_error=st.booleans(),
)


@given(PROFILES)
@settings(max_examples=60, deadline=None)
def test_any_profile_is_found_out(profile: DriveProfile) -> None:
    check(profile, known_of(profile))


@given(PROFILES)
@settings(max_examples=25, deadline=None)
def test_what_was_found_out_reads_as_well_as_trying_again(profile: DriveProfile) -> None:
    drive, _, _ = drive_with(MIXED, profile=profile)
    tried = drive.probe_read_features()
    features = features_of(known_of(profile))
    assert features is not None
    assert (features.error, features.together, features.sub_first, features.raw_sub) == (
        tried.error,
        tried.together,
        tried.sub_first,
        tried.raw_sub,
    )


@pytest.mark.parametrize("name", profile_names())
def test_a_job_need_not_wait_long(name: str) -> None:
    drive, virtual, between = drive_with(MIXED, profile=DriveProfile.load(name))
    drive.identify()
    before, began = len(between.sent), virtual.clock.now
    known = run(probe(drive, open_questions(drive, UNKNOWN), limit=AT_A_JOB))
    assert virtual.clock.now - began < 5.0
    assert len(between.sent) - before == known.commands < 420
    assert known.cache_loses is not None
    assert known.ended == ""
    assert (known.pregap, known.lead_in, known.lead_out) == (None, None, None)


def test_nothing_beyond_the_disc_is_touched_at_a_job() -> None:
    drive, _, between = drive_with(MIXED)
    drive.identify()
    run(probe(drive, open_questions(drive, UNKNOWN)))
    areas = [
        (int.from_bytes(cdb[2:6], "big", signed=True), int.from_bytes(cdb[6:9], "big"))
        for cdb in between.sent
        if cdb[0] == 0xBE
    ]
    assert areas
    assert all(lba >= 0 and lba + count <= MIXED.layout.end for lba, count in areas)


def test_only_commands_that_change_nothing_are_sent() -> None:
    for name in profile_names():
        drive, _, between = drive_with(MIXED, profile=DriveProfile.load(name))
        drive.identify()
        before = len(between.sent)
        run(probe(drive))
        assert {cdb[0] for cdb in between.sent[before:]} <= {0xBE, 0xD8, 0xA8}


def test_formless_data_tells_nothing_of_fua_but_of_all_else() -> None:
    disc = memory_disc([data(3000, TrackMode.MODE2, form2=8)])
    known = known_of(DriveProfile(), disc)
    assert known.fua is None
    assert known.as_audio is None
    assert known.c2_sizes == (294, 296)


def test_a_small_disc_tells_nothing_of_the_cache() -> None:
    known = known_of(DriveProfile(), memory_disc([data(300)]))
    assert (known.cache_holds, known.cache_loses, known.far_read_empties) == (None, None, None)
    assert known.flush is Fua.OBEYED


def test_a_worn_disc_teaches_nothing() -> None:
    worn = FaultPlan(sectors=(SectorFault(what=What.C2, areas=(range(6700),)),))
    drive, _, _ = drive_with(MIXED, worn)
    known = run(probe(drive))
    assert all(getattr(known, name) is None for name in ANSWERS)
    assert "No good sectors" in known.ended


def test_damage_in_the_middle_leaves_answers_open_and_wrongs_none() -> None:
    for first in range(0, 5000, 700):
        plan = FaultPlan(
            sectors=(SectorFault(what=What.UNREADABLE, areas=(range(first, first + 90),)),)
        )
        drive, _, _ = drive_with(MIXED, plan)
        known = run(probe(drive))
        sound = known_of(DriveProfile())
        for name in ANSWERS:
            found = getattr(known, name)
            if found is not None and not name.startswith("cache"):
                assert found == getattr(sound, name), (first, name)
        if known.cache_holds is not None:
            check_size(DriveProfile(), known)


SOUND = {name: known_of(DriveProfile.load(name)) for name in profile_names()}


@given(
    name=st.sampled_from(profile_names()),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.03, 0.2, 0.6]),
)
@settings(max_examples=60, deadline=None)
def test_a_drive_that_fails_at_random_is_not_described_wrongly(
    name: str, seed: int, share: float
) -> None:
    chance = np.random.default_rng(seed)
    armed = False

    def alter(command: Command, reply: Reply) -> Reply:
        return refused(3, 0x11, 5) if armed and chance.random() < share else reply

    profile = DriveProfile.load(name)
    drive, _, _ = drive_with(MIXED, profile=profile, alter=alter)
    drive.identify()
    armed = True
    known = run(probe(drive))
    for answer in ANSWERS:
        found = getattr(known, answer)
        if not answer.startswith("c") and found is not None:
            assert found == getattr(SOUND[name], answer), answer
    if known.cache_holds is not None:
        check_size(profile, known)
    if known.c2_sizes is not None:
        assert set(known.c2_sizes) <= set(profile.c2_sizes)
        assert bool(known.c2_sizes) is bool(profile.c2_sizes)
    assert known.commands < 1000


def test_it_ends_when_the_drive_hangs_and_says_at_what() -> None:
    def alter(command: Command, reply: Reply) -> Reply:
        if command.cdb[0] == 0xD8:
            return Reply(host_status=DID_TIME_OUT, seconds=command.timeout)
        return reply

    drive, _, between = drive_with(MIXED, alter=alter)
    known = run(probe(drive))
    assert known.hung == ("READ CD-DA",)
    assert "did not answer in time" in known.ended
    assert between.sent[-1][0] == 0xD8
    assert known.c2_sizes == (294, 296)
    assert "READ CD-DA" not in [fact.what for fact in open_questions(drive, known)]
    assert drive.read(0, 4).data.tobytes() == MIXED.raw[1][:4].tobytes()


def test_it_ends_when_the_drive_was_reset() -> None:
    resets = iter([True])

    def alter(command: Command, reply: Reply) -> Reply:
        is_flush = command.cdb[0] == 0xA8 and command.length == 0
        return refused(6, 0x29, 0) if is_flush and next(resets, False) else reply

    drive, _, _ = drive_with(MIXED, alter=alter)
    known = run(probe(drive))
    assert known.hung == ("emptying the cache",)
    assert "was reset" in known.ended
    assert known.flush is None


def test_a_slow_drive_is_left_when_the_time_is_up() -> None:
    slow = DriveProfile(cd_speed=706, cd_speeds=(706,), cache_kb=8192)
    drive, virtual, _ = drive_with(MIXED, profile=slow)
    drive.identify()
    began = virtual.clock.now
    known = run(probe(drive, open_questions(drive, UNKNOWN), limit=AT_A_JOB))
    assert virtual.clock.now - began < 5.0
    assert "seconds that it may take" in known.ended
    assert known.cache_holds is None
    assert known.flush is Fua.OBEYED


def test_a_drive_that_repeats_its_last_sector_reads_no_lead_out() -> None:
    """As a PX-740A does: it never refuses, and never says another word."""
    end = MIXED.layout.end

    def alter(command: Command, reply: Reply) -> Reply:
        lba = int.from_bytes(command.cdb[2:6], "big", signed=True)
        if command.cdb[0] != 0xBE or lba < end:
            return reply
        last = (end - 1).to_bytes(4, "big")
        return virtual.execute(replace(command, cdb=command.cdb[:2] + last + command.cdb[6:]))

    drive, virtual, _ = drive_with(MIXED, alter=alter)
    assert run(probe(drive)).lead_out == 0


def test_a_drive_with_c2_on_data_only_still_reads_audio() -> None:
    """As a TS-H352C has it: its model is known from a data disc, an audio disc comes next."""

    def alter(command: Command, reply: Reply) -> Reply:
        with_c2 = command.cdb[0] == 0xBE and command.cdb[9] & 6
        return refused(5, 0x64, 0) if with_c2 else reply

    features = features_of(SOUND["plain"])
    assert features is not None
    drive, _, _ = drive_with(AUDIO, alter=alter)
    drive.adopt(features)
    request = ReadRequest(40, 8, c2=True)
    assert drive.attempt(request).sectors is None
    block = drive.attempt(request).sectors
    assert block is not None
    assert block.c2 is None


def test_another_disc_meanwhile_is_told() -> None:
    drive, virtual, _ = drive_with(MIXED)
    drive.identify()
    task = probe(drive)
    for _ in range(4):
        next(task)
    virtual.insert(AUDIO)
    with pytest.raises(WrongDisc):
        run(task)


def test_a_drive_that_goes_is_told() -> None:
    drive, virtual, _ = drive_with(MIXED)
    drive.identify()
    task = probe(drive)
    next(task)
    virtual.unplug()
    with pytest.raises(DriveLost):
        run(task)


def test_only_a_cd_will_do() -> None:
    drive, _, _ = drive_with(memory_blocks(100))
    assert open_questions(drive, UNKNOWN) == ()
    with pytest.raises(NotAvailable, match="holds a DVD"):
        run(probe(drive))


def test_a_second_disc_is_asked_only_for_what_the_first_could_not_tell() -> None:
    drive, virtual, between = drive_with(AUDIO)
    known = run(probe(drive, open_questions(drive, UNKNOWN)))
    assert open_questions(drive, known) == ()
    virtual.insert(MIXED)
    drive.identify()
    missing = open_questions(drive, known)
    assert {fact.what for fact in missing} == {"data as audio", "FUA"}
    before = len(between.sent)
    more = run(probe(drive, missing, known))
    assert len(between.sent) - before < 20
    assert (more.as_audio, more.fua, more.tries) == (AsAudio.REFUSED, Fua.OBEYED, 2)
    assert open_questions(drive, more) == ()


def test_after_three_discs_nothing_is_asked_any_more() -> None:
    drive, _, _ = drive_with(MIXED)
    assert open_questions(drive, DriveKnowledge(tries=2))
    assert not open_questions(drive, DriveKnowledge(tries=3))


def test_a_drive_that_is_known_is_not_tried_and_reads_the_same() -> None:
    for name in profile_names():
        profile = DriveProfile.load(name)
        features = features_of(known_of(profile))
        assert features is not None
        drive, _, between = drive_with(MIXED, profile=profile)
        drive.adopt(features)
        drive.identify()
        before = len(between.sent)
        request = ReadRequest(40, 8, c2=True, sub=True)
        block = drive.attempt(request).sectors
        assert len(between.sent) - before == 1
        tried = drive_with(MIXED, profile=profile)[0].attempt(request).sectors
        assert block is not None
        assert tried is not None
        assert block.data.tobytes() == tried.data.tobytes()
        for mine, theirs in ((block.c2, tried.c2), (block.sub, tried.sub)):
            assert (mine is None) is (theirs is None)
            assert mine is None or theirs is None or np.array_equal(mine, theirs)


def test_a_drive_that_is_not_like_its_model_is_tried_after_all() -> None:
    features = features_of(known_of(DriveProfile()))
    assert features is not None
    drive, _, _ = drive_with(MIXED, profile=DriveProfile.load("no-c2"))
    drive.adopt(features)
    request = ReadRequest(40, 8, c2=True, sub=True)
    assert drive.attempt(request).sectors is None
    block = drive.attempt(request).sectors
    assert block is not None
    assert block.c2 is None
    assert not drive.probe_read_features().c2


# -- the record


def answers() -> st.SearchStrategy[DriveKnowledge]:
    return st.builds(
        DriveKnowledge,
        c2_sizes=st.none() | st.sampled_from([(), (294,), (296,), (294, 296)]),
        raw_sub=st.none() | st.booleans(),
        order=st.none() | st.sampled_from(Order),
        sub_lag=st.none() | st.integers(-10, 10),
        cache_holds=st.none() | st.integers(0, 4096),
        cache_loses=st.none() | st.integers(0, 4096),
        fua=st.none() | st.sampled_from(Fua),
        hung=st.lists(st.sampled_from([fact.what for fact in FACTS]), unique=True).map(tuple),
        tries=st.integers(0, 3),
    )


@given(answers())
def test_a_record_is_kept_as_it_is(known: DriveKnowledge) -> None:
    assert from_json(msgspec.json.decode(msgspec.json.encode(to_json(known)))) == known


@given(answers(), answers())
def test_two_records_together_know_what_either_knew(
    older: DriveKnowledge, newer: DriveKnowledge
) -> None:
    both = merged(older, newer)
    for name in ANSWERS:
        mine, theirs = getattr(newer, name), getattr(older, name)
        if name == "cache_loses" and newer.cache_holds is not None:
            assert both.cache_loses == mine
        else:
            assert getattr(both, name) == (theirs if mine is None else mine)
    assert set(both.hung) == {*older.hung, *newer.hung}


@pytest.mark.parametrize("kept", [{"format": 2}, {"d8": "maybe"}, [], None, {"order": "sub"}])
def test_a_record_of_another_kind_is_not_understood(kept: object) -> None:
    assert from_json(kept) is None


def test_every_answer_is_in_the_list_and_asked_for() -> None:
    assert set(ANSWERS) < set(DriveKnowledge.__struct_fields__)
    found = known_of(DriveProfile.load("plextor"))
    assert all(getattr(found, name) is not None for name in ANSWERS)
