# SPDX-License-Identifier: Apache-2.0
"""Reading sectors: one command's honest result, what the drive gives beside them, robust reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.features import ReadFeatures, pointers
from imagerd.devices.mmc_read import ErrorField, SubSelect
from imagerd.devices.reading import ReadRequest, good_records, unscramble
from imagerd.devices.scsi import CHECK_CONDITION, DID_TIME_OUT, Command, Reply, Sense
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import Medium, SectorFormat, TrackMode
from imagerd.disc.source import FaultKind, SectorState
from imagerd.sectors.scramble import scramble
from imagerd.sectors.subchannel import QPosition, parse_q, q_crc_ok, q_of
from imagerd.sectors.views import RawView
from tests.drives import Altered, drive_with, refused
from tests.sources import audio, data, memory_blocks, memory_disc

SOURCE = memory_disc([data(400), audio(600, 150)])


def unreadable(*areas: range, sense: Sense | None = None) -> FaultPlan:
    fault = SectorFault(what=What.UNREADABLE, areas=areas)
    if sense is not None:
        fault = SectorFault(what=What.UNREADABLE, areas=areas, sense=sense)
    return FaultPlan(sectors=(fault,))


class TestGoodRecords:
    """How much of a reply counts."""

    def test_all_of_a_good_one(self) -> None:
        assert good_records(Reply(data=bytes(20)), 2, 0, 10) == 10
        assert good_records(Reply(data=bytes(7)), 2, 0, 10) == 3

    def test_what_came_before_an_error(self) -> None:
        assert good_records(refused(3, 0x11, 5, bytes(7)), 2, 0, 10) == 3

    def test_nothing_of_an_error_that_claims_all(self) -> None:
        assert good_records(refused(3, 0x11, 5, bytes(20)), 2, 0, 10) == 0
        timed_out = Reply(data=bytes(20), host_status=DID_TIME_OUT)
        assert good_records(timed_out, 2, 0, 10) == 0

    @pytest.mark.parametrize(("blamed", "good"), [(102, 2), (100, 0), (109, 5), (99, 5), (200, 5)])
    def test_nothing_from_the_blamed_sector_on(self, blamed: int, good: int) -> None:
        reply = Reply(CHECK_CONDITION, bytes(10), Sense(3, 0x11, 5, blamed))
        assert good_records(reply, 2, 100, 10) == good

    def test_a_blamed_address_may_be_negative(self) -> None:
        reply = Reply(CHECK_CONDITION, bytes(10), Sense(3, 0x11, 5, 0xFFFFFFFE))
        assert good_records(reply, 2, -4, 10) == 2

    def test_a_recovered_error_is_good(self) -> None:
        assert good_records(refused(1, 0x17, 1, bytes(20)), 2, 0, 10) == 10


class TestAttempt:
    def test_it_is_one_command_and_its_good_prefix(self) -> None:
        drive, _, between = drive_with(SOURCE, unreadable(range(110, 112)))
        assert drive.layout
        before = len(between.sent)
        result = drive.attempt(ReadRequest(100, 20))
        assert len(between.sent) == before + 1
        assert result.sectors is not None
        assert (result.sectors.lba, len(result.sectors)) == (100, 10)
        assert result.sectors.format is SectorFormat.RAW
        truth = RawView(SOURCE).read(100, 10)
        assert np.array_equal(result.sectors.data, truth.data)
        assert (result.sectors.states == SectorState.READ).all()
        assert result.fault is not None
        assert (result.fault.lba, result.fault.count) == (110, 10)
        assert result.fault.kind is FaultKind.MEDIUM
        assert result.fault.sense == (3, 0x11, 5)
        assert result.seconds > 0
        assert result.recovered is None

    def test_no_prefix_from_a_drive_that_sends_none(self) -> None:
        drive, _, _ = drive_with(
            SOURCE,
            unreadable(range(110, 111)),
            profile=DriveProfile(transfers_before_error=False),
        )
        result = drive.attempt(ReadRequest(100, 20))
        assert result.sectors is None
        assert result.fault is not None
        assert (result.fault.lba, result.fault.count) == (100, 20)

    @pytest.mark.parametrize(
        ("sense", "kind"),
        [
            (Sense(3, 0x02, 0), FaultKind.MEDIUM),
            (Sense(4, 0x09, 1), FaultKind.MEDIUM),
            (Sense(4, 0x3E, 2), FaultKind.TIMEOUT),
            (Sense(4, 0x08, 1), FaultKind.TIMEOUT),
            (Sense(5, 0x64, 0), FaultKind.REFUSED),
            (Sense(5, 0x21, 0), FaultKind.REFUSED),
            (Sense(5, 0x6F, 3), FaultKind.REFUSED),
            (Sense(0xB, 0, 0), FaultKind.TRANSPORT),
            (Sense(2, 4, 1), FaultKind.NOT_READY),
            (Sense(6, 0x5A, 1), FaultKind.NOT_READY),
            (Sense(3, 0x11, 5, None, True), FaultKind.TRANSPORT),
        ],
    )
    def test_faults_have_kinds(self, sense: Sense, kind: FaultKind) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        between.alter = lambda command, reply: (
            Reply(CHECK_CONDITION, b"", sense) if command.cdb[0] == 0xBE else reply
        )
        result = drive.attempt(ReadRequest(0, 1))
        assert result.fault is not None
        assert result.fault.kind is kind
        assert result.fault.sense == sense.code

    def test_a_timeout_and_a_bus_error_have_no_sense(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        for host, kind in ((DID_TIME_OUT, FaultKind.TIMEOUT), (7, FaultKind.TRANSPORT)):
            between.alter = lambda command, reply, host=host: (
                Reply(host_status=host) if command.cdb[0] == 0xBE else reply
            )
            result = drive.attempt(ReadRequest(0, 1))
            assert result.fault is not None
            assert (result.fault.kind, result.fault.sense) == (kind, None)

    def test_a_hang_is_a_timeout_after_the_time_that_was_given(self) -> None:
        plan = FaultPlan(
            sectors=(SectorFault(what=What.HANG, areas=(range(50, 51),), seconds=100.0),)
        )
        drive, _, _ = drive_with(SOURCE, plan)
        assert drive.layout
        result = drive.attempt(ReadRequest(50, 1, timeout=7.0))
        assert result.fault is not None
        assert result.fault.kind is FaultKind.TIMEOUT
        assert result.seconds == pytest.approx(7.0)

    def test_a_short_transfer_without_complaint_is_a_fault(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        between.alter = lambda command, reply: (
            Reply(data=bytes(reply.data)[: 5 * 2352 + 100]) if command.cdb[0] == 0xBE else reply
        )
        result = drive.attempt(ReadRequest(0, 10))
        assert result.sectors is not None
        assert len(result.sectors) == 5
        assert result.fault is not None
        assert (result.fault.lba, result.fault.count) == (5, 5)
        assert result.fault.kind is FaultKind.TRANSPORT

    def test_a_recovered_error_is_good_and_told(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        between.alter = lambda command, reply: (
            refused(1, 0x18, 2, reply.data) if command.cdb[0] == 0xBE else reply
        )
        result = drive.attempt(ReadRequest(0, 10))
        assert result.fault is None
        assert result.sectors is not None
        assert len(result.sectors) == 10
        assert result.recovered == Sense(1, 0x18, 2)

    def test_more_than_one_command_can_carry_is_the_callers_bug(self) -> None:
        drive, _, _ = drive_with(SOURCE)
        most = drive.max_sectors(SectorFormat.RAW)
        assert len(drive.attempt(ReadRequest(0, most, c2=True, sub=True)).sectors or ()) == most
        with pytest.raises(ValueError, match="do not fit"):
            drive.attempt(ReadRequest(0, 100))
        with pytest.raises(ValueError, match="do not fit"):
            drive.attempt(ReadRequest(0, 0))
        assert drive.max_sectors(SectorFormat.USER) == 32

    def test_user_data_of_a_cd(self) -> None:
        drive, _, between = drive_with(SOURCE)
        result = drive.attempt(ReadRequest(16, 4, raw=False))
        assert result.sectors is not None
        assert result.sectors.format is SectorFormat.USER
        truth = RawView(SOURCE).read(16, 4).data[:, 16 : 16 + 2048]
        assert np.array_equal(result.sectors.data, truth)
        assert between.count(0x28) == 1
        assert drive.attempt(ReadRequest(16, 4, raw=False, fua=True)).fault is None
        assert between.sent[-1][:2] == b"\xa8\x08"

    def test_blocks_have_no_raw_form(self) -> None:
        drive, _, _ = drive_with(memory_blocks(300))
        result = drive.attempt(ReadRequest(16, 4, c2=True, sub=True))
        assert result.sectors is not None
        assert result.sectors.data.shape == (4, 2048)
        assert result.sectors.c2 is result.sectors.sub is None

    def test_the_result_is_the_callers_own(self) -> None:
        drive, _, _ = drive_with(SOURCE)
        first = drive.attempt(ReadRequest(0, 5, c2=True, sub=True)).sectors
        assert first is not None
        copies = [np.copy(part) for part in (first.data, first.c2, first.sub) if part is not None]
        drive.attempt(ReadRequest(200, 5, c2=True, sub=True))
        kept = [part for part in (first.data, first.c2, first.sub) if part is not None]
        assert all(np.array_equal(a, b) for a, b in zip(copies, kept, strict=True))
        assert all(part.flags.owndata for part in kept)


class TestFeatures:
    @pytest.mark.parametrize(
        ("profile", "features"),
        [
            ("plain", (ErrorField.C2, SubSelect.RAW, "data, C2, sub")),
            ("c2-294", (ErrorField.C2, SubSelect.RAW, "data, C2, sub")),
            ("c2-296", (ErrorField.C2_BLOCK, SubSelect.RAW, "data, C2, sub")),
            ("swapped", (ErrorField.C2, SubSelect.RAW, "data, sub, C2")),
            ("liar", (ErrorField.C2, SubSelect.RAW, "data, C2, sub")),
            ("plextor", (ErrorField.C2, SubSelect.RAW, "data, C2, sub")),
            ("no-c2", (ErrorField.NONE, SubSelect.Q, "not together")),
        ],
    )
    def test_what_a_drive_gives_is_found_out(
        self, profile: str, features: tuple[ErrorField, SubSelect, str]
    ) -> None:
        drive, _, between = drive_with(SOURCE, profile=DriveProfile.load(profile))
        found = drive.probe_read_features()
        assert (found.error, found.sub, found.order) == features
        assert found.proven
        asked = len(between.sent)
        assert drive.probe_read_features() is found
        assert len(between.sent) == asked

    @settings(max_examples=25, deadline=None)
    @given(
        st.sampled_from([(), (294,), (296,), (294, 296)]),
        st.sampled_from([(), (1,), (2,), (1, 2, 4)]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
    )
    def test_any_mixture_is_found_out(
        self, sizes: tuple[int, ...], subs: tuple[int, ...], before: bool, first: bool, shift: int
    ) -> None:
        profile = DriveProfile(
            c2_sizes=sizes,  # type: ignore[arg-type]
            sub_modes=subs,  # type: ignore[arg-type]
            sub_before_c2=before,
            block_error_first=first,
            sub_shift=shift,
        )
        drive, _, _ = drive_with(memory_disc([audio(500)]), profile=profile)
        found = drive.probe_read_features()
        assert found.c2_size == min(sizes, default=0)
        assert found.raw_sub == (1 in subs)
        assert found.together == (bool(sizes) and 1 in subs)
        if found.together:
            assert found.sub_first == before

    def test_a_drive_that_gives_both_only_apart_is_asked_for_c2(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            both = command.cdb[0] == 0xBE and command.cdb[9] & 6 and command.cdb[10]
            return refused(5, 0x24, 0) if both else reply

        drive, _, _ = drive_with(SOURCE, alter=alter)
        found = drive.probe_read_features()
        assert found.c2
        assert found.raw_sub
        assert not found.together
        block = drive.attempt(ReadRequest(0, 5, c2=True, sub=True)).sectors
        assert block is not None
        assert block.c2 is not None
        assert block.sub is None
        block = drive.attempt(ReadRequest(0, 5, sub=True)).sectors
        assert block is not None
        assert block.sub is not None

    def test_probing_looks_for_good_sectors(self) -> None:
        drive, _, _ = drive_with(memory_disc([data(400)]), unreadable(range(150, 250)))
        assert drive.probe_read_features().proven

    def test_without_a_good_sector_nothing_is_claimed(self) -> None:
        drive, _, _ = drive_with(memory_disc([data(400)]), unreadable(range(400)))
        assert drive.probe_read_features() == ReadFeatures()

    def test_c2_noise_on_one_place_does_not_decide(self) -> None:
        plan = FaultPlan(sectors=(SectorFault(what=What.C2, areas=(range(180, 220),)),))
        drive, _, _ = drive_with(memory_disc([data(400)]), plan)
        assert drive.probe_read_features().c2_size == 294


@pytest.mark.parametrize(
    "profile",
    [
        DriveProfile(c2_sizes=(294,)),
        DriveProfile(c2_sizes=(296,), block_error_first=True),
        DriveProfile(c2_sizes=(296,), block_error_first=False),
        DriveProfile(c2_sizes=(294,), sub_before_c2=True),
        DriveProfile(c2_sizes=(296,), sub_before_c2=True),
    ],
    ids=["294", "296 error first", "296 error last", "sub, 294", "sub, 296"],
)
@pytest.mark.parametrize("sub", [False, True])
def test_c2_pointers_mark_the_bytes_that_are_wrong(profile: DriveProfile, sub: bool) -> None:
    source = memory_disc([audio(600)])
    plan = FaultPlan(sectors=(SectorFault(what=What.C2, areas=(range(100, 103),), bytes=40),))
    drive, _, _ = drive_with(source, plan, profile=profile)
    assert drive.probe_read_features().proven
    block = drive.attempt(ReadRequest(98, 8, c2=True, sub=sub)).sectors
    assert block is not None
    assert block.c2 is not None
    truth = source.read(98, 8).data
    flagged = np.unpackbits(block.c2, axis=1).astype(bool)
    assert (flagged | (block.data == truth)).all()
    assert flagged.any(axis=1).tolist() == [False, False, True, True, True, False, False, False]
    suspect = block.states == SectorState.SUSPECT
    assert suspect.tolist() == flagged.any(axis=1).tolist()
    assert (block.sub is not None) == sub


@pytest.mark.parametrize("name", ["plain", "swapped", "c2-296"])
def test_the_subchannel_names_its_sectors(name: str) -> None:
    drive, _, _ = drive_with(SOURCE, profile=DriveProfile.load(name))
    block = drive.attempt(ReadRequest(700, 10, c2=True, sub=True)).sectors
    assert block is not None
    assert block.sub is not None
    q = q_of(block.sub)
    assert q_crc_ok(q).all()
    places = [parse_q(row.tobytes()) for row in q]
    lbas = [place.lba for place in places if isinstance(place, QPosition)]
    assert lbas
    assert set(lbas) <= set(range(700, 710))


@given(st.binary(min_size=294, max_size=294).filter(any), st.booleans())
def test_the_block_error_byte_is_told_from_the_pointers(raw: bytes, first: bool) -> None:
    bits = np.frombuffer(raw, np.uint8)
    extra = bytes((int(np.bitwise_or.reduce(bits)), 0))
    zone = np.frombuffer(extra + raw if first else raw + extra, np.uint8).reshape(1, 296)
    other = bytes(zone[0, :2]) if first else bytes(zone[0, 294:])
    found = pointers(zone)[0].tobytes()
    # Both readings can be right by chance; then the standard's counts.
    ambiguous = not first and raw[1] == 0 and raw[0] == int(np.bitwise_or.reduce(zone[0, 2:]))
    assert ambiguous or found == raw
    assert other == extra


class TestRobustRead:
    @settings(max_examples=30, deadline=None)
    @given(st.sets(st.integers(0, 599), max_size=25), st.sampled_from([True, False]))
    def test_it_fails_exactly_where_the_disc_does(self, bad: set[int], prefix: bool) -> None:
        source = memory_disc([data(300), audio(300)])
        plan = unreadable(*(range(lba, lba + 1) for lba in sorted(bad)))
        profile = DriveProfile(transfers_before_error=prefix)
        drive, _, _ = drive_with(source, plan, profile=profile)
        block = drive.read(0, 600)
        assert len(block) == 600
        failed = {int(row) for row in np.flatnonzero(block.states == SectorState.FAILED)}
        assert failed == bad
        told = {lba for f in block.faults for lba in range(f.lba, f.lba + f.count)}
        assert told == bad
        good = block.states == SectorState.READ
        truth = np.concatenate([source.raw[1], source.raw[2]])
        assert np.array_equal(block.data[good], truth[good])
        assert not block.data[~good].any()

    def test_neighbouring_faults_are_one(self) -> None:
        drive, _, _ = drive_with(SOURCE, unreadable(range(100, 110), range(200, 201)))
        faults = drive.read(0, 400).faults
        assert [(f.lba, f.count) for f in faults] == [(100, 10), (200, 1)]
        assert all(f.sense == (3, 0x11, 5) for f in faults)

    def test_bad_blocks_of_a_dvd(self) -> None:
        drive, _, _ = drive_with(memory_blocks(300, medium=Medium.DVD), unreadable(range(70, 75)))
        block = drive.read(0, 300)
        assert [(f.lba, f.count) for f in block.faults] == [(70, 5)]

    def test_large_commands_do_not_cross_from_data_to_audio(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        between.sent.clear()
        drive.read(0, 1000)
        reads = [cdb for cdb in between.sent if cdb[0] == 0xBE]
        starts = {int.from_bytes(cdb[2:6], "big") for cdb in reads}
        assert {0, 400, 550} <= starts
        assert len(reads) <= 1000 // 27 + 4

    def test_a_hang_does_not_cost_its_time_for_every_sector(self) -> None:
        plan = FaultPlan(
            sectors=(
                SectorFault(
                    what=What.HANG, areas=(range(100, 101),), seconds=100.0, then="timeout"
                ),
            )
        )
        drive, virtual, _ = drive_with(SOURCE, plan)
        block = drive.read(90, 60)
        failed = np.flatnonzero(block.states == SectorState.FAILED) + 90
        assert failed[0] == 100
        assert len(failed) < 30
        assert {f.kind for f in block.faults} == {FaultKind.TIMEOUT}
        assert virtual.clock.now < 300

    def test_a_bus_error_is_tried_again(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        fails = iter([True, True, False])

        def alter(command: Command, reply: Reply) -> Reply:
            broken = command.cdb[0] == 0xBE and next(fails, False)
            return Reply(host_status=7) if broken else reply

        between.alter = alter
        block = drive.read(0, 20)
        assert block.faults == ()
        assert np.array_equal(block.data, SOURCE.read(0, 20).data)

    def test_a_drive_that_is_becoming_ready_is_waited_for(self) -> None:
        drive, virtual, between = drive_with(SOURCE)
        assert drive.layout
        awake = virtual.clock.now + 10

        def alter(command: Command, reply: Reply) -> Reply:
            return reply if virtual.clock.now >= awake else refused(2, 4, 1)

        between.alter = alter
        block = drive.read(0, 20)
        assert block.faults == ()
        assert virtual.clock.now >= awake


class TestPauseBetweenTypes:
    """Sectors before a change of type that a drive gives only if the type is named."""

    @staticmethod
    def pause_needs_a_type(between: Altered, area: range, *, scrambled: bool = False) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            cdb = command.cdb
            if cdb[0] != 0xBE:
                return reply
            lba, count = int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[6:9], "big")
            if not any(at in area for at in range(lba, lba + count)):
                return reply
            if cdb[1] >> 2 & 7 != 1:
                return refused(5, 0x64, 0)
            raw = np.frombuffer(between.inner.execute(_any_type(command)).data, np.uint8)
            rows = raw.reshape(count, 2352)
            return Reply(data=(scramble(rows) if scrambled else rows).tobytes())

        between.alter = alter

    def test_audio_before_data_is_read_as_audio(self) -> None:
        source = memory_disc([audio(400), data(300)])
        drive, _, between = drive_with(source)
        assert drive.layout
        self.pause_needs_a_type(between, range(250, 400))
        block = drive.read(0, 700)
        assert block.faults == ()
        assert np.array_equal(block.data, np.concatenate([source.raw[1], source.raw[2]]))

    def test_data_that_comes_as_it_lies_on_the_disc_is_unscrambled(self) -> None:
        source = memory_disc([audio(400), data(300)])
        drive, _, between = drive_with(source)
        assert drive.layout
        self.pause_needs_a_type(between, range(400, 410), scrambled=True)
        block = drive.read(395, 20)
        assert block.faults == ()
        assert np.array_equal(block.data[5:], source.raw[2][:15])

    def test_what_is_refused_as_audio_too_stays_refused(self) -> None:
        drive, _, between = drive_with(SOURCE)
        assert drive.layout
        between.alter = lambda command, reply: (
            refused(5, 0x64, 0) if command.cdb[0] == 0xBE else reply
        )
        block = drive.read(0, 5)
        assert (block.states == SectorState.FAILED).all()
        assert [(f.lba, f.count, f.kind) for f in block.faults] == [(0, 5, FaultKind.REFUSED)]


def _any_type(command: Command) -> Command:
    cdb = bytes((command.cdb[0], 0)) + command.cdb[2:]
    return Command(cdb, command.direction, command.length)


@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
def test_only_scrambled_data_is_unscrambled(mode: TrackMode) -> None:
    raw = memory_disc([data(5, mode)]).raw[1]
    for lba in range(5):
        row = scramble(raw[lba : lba + 1])
        assert unscramble(row, lba)
        assert np.array_equal(row[0], raw[lba])
        assert not unscramble(row, lba)
        assert np.array_equal(row[0], raw[lba])
    other = scramble(raw[:1])
    assert not unscramble(other, 99)
    noise = memory_disc([audio(1)]).raw[1].copy()
    assert not unscramble(noise, 0)
