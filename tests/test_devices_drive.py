# SPDX-License-Identifier: Apache-2.0
"""The optical drive on the virtual one: what disc it is, what it holds, what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, NoMedium, NotAvailable, UnreadableDisc, WrongDisc
from imagerd.devices.link import CommandFailed
from imagerd.devices.mmc_config import MediaEventCode
from imagerd.devices.mmc_info import DiscState
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.sense import DriveStatus
from imagerd.devices.virtual.faults import DriveFault, DriveTrouble, FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import DiscType, Layout, Medium, TrackMode
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.blocks import read_all
from imagerd.sectors.views import RawView
from tests.drives import drive_with, refused
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc

MIXED = (data(400), audio(500, 150), audio(300))


def everything(
    source: SectorSource, area: range
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return read_all(source, area.start, len(area)).data


def assert_same_sectors(drive: SectorSource, source: MemorySource) -> None:
    truth = RawView(source) if source.layout.is_cd else source
    for area in drive.layout.ranges():
        assert np.array_equal(everything(drive, area), everything(truth, area))


def what_a_toc_tells(layout: Layout) -> list[tuple[object, ...]]:
    return [(t.number, t.session, t.index1, t.mode, t.control) for t in layout.tracks]


DISCS = {
    "data": lambda: memory_disc([data(600)]),
    "mixed mode": lambda: memory_disc(MIXED, mcn="4006381333931"),
    "XA": lambda: memory_disc([data(500, TrackMode.MODE2, form2=3)], disc_type=DiscType.XA),
    "CD-i": lambda: memory_disc([data(500, TrackMode.MODE2)], disc_type=DiscType.CDI),
    "CD-Extra": lambda: memory_disc(
        [audio(500), audio(300, 75), data(400, TrackMode.MODE2, session=2)]
    ),
    "three sessions": lambda: memory_disc([data(400), data(400, session=2), data(400, session=3)]),
    "hidden track": lambda: memory_disc([audio(900, 500), audio(300, 20)]),
    "late tracks": lambda: memory_disc([audio(400), audio(300)], first_track=12),
    "one short track": lambda: memory_disc([audio(20)]),
    "DVD": lambda: memory_blocks(900),
    "DVD of two layers": lambda: memory_blocks(900, layers=(500,)),
    "BD": lambda: memory_blocks(900, medium=Medium.BD),
    "BD of two layers": lambda: memory_blocks(900, medium=Medium.BD, layers=(500,)),
}


@pytest.mark.parametrize("kind", DISCS)
def test_every_kind_of_disc_is_known_and_read(kind: str) -> None:
    source = DISCS[kind]()
    drive, _, _ = drive_with(source)
    assert drive.wait_ready() is DriveStatus.READY
    layout = drive.layout
    assert drive.medium is source.layout.medium is layout.medium
    assert drive.current_medium() is source.layout.medium
    assert what_a_toc_tells(layout) == what_a_toc_tells(source.layout)
    assert [s.lead_out for s in layout.sessions] == [s.lead_out for s in source.layout.sessions]
    assert layout.disc_type is source.layout.disc_type
    assert layout.layers == source.layout.layers
    if kind != "three sessions":
        assert drive.warnings == ()
    assert_same_sectors(drive, source)
    drive.close()
    assert source.closed


@st.composite
def plans(draw: st.DrawFn) -> list[TrackPlan]:
    found: list[TrackPlan] = []
    for session in range(1, draw(st.integers(1, 2)) + 1):
        for _ in range(draw(st.integers(1, 3))):
            mode = draw(st.sampled_from([TrackMode.AUDIO, TrackMode.MODE1, TrackMode.MODE2]))
            pregap = draw(st.sampled_from([0, 150])) if found and mode is TrackMode.AUDIO else 0
            length = pregap + draw(st.integers(4, 120))
            found.append(TrackPlan(mode, length, pregap, session))
    return found


@settings(max_examples=40, deadline=None)
@given(plans(), st.sampled_from(["plain", "c2-294", "no-c2", "liar"]), st.data())
def test_any_disc_reads_back_from_any_drive(
    tracks: list[TrackPlan], profile: str, pick: st.DataObject
) -> None:
    source = memory_disc(tracks)
    quirks = DriveProfile.load(profile)
    plain = DriveProfile(
        sub_modes=quirks.sub_modes,
        c2_sizes=quirks.c2_sizes,
        spin_up=quirks.spin_up,
        transfers_before_error=quirks.transfers_before_error,
    )
    drive, _, _ = drive_with(source, profile=plain)
    assert what_a_toc_tells(drive.layout) == what_a_toc_tells(source.layout)
    assert_same_sectors(drive, source)
    area = pick.draw(st.sampled_from(list(drive.layout.ranges())))
    lba = pick.draw(st.sampled_from(area))
    block = drive.read(lba, pick.draw(st.integers(1, 400)))
    assert 1 <= len(block) <= area.stop - lba
    assert np.array_equal(block.data, everything(RawView(source), range(lba, block.end)))


def test_identity_and_claims() -> None:
    drive, _, _ = drive_with(memory_disc(MIXED), profile=DriveProfile.load("plextor"))
    who = drive.identity
    assert (who.vendor, who.product, who.revision, who.serial) == (
        "PLEXTOR", "DVDR   PX-VIRT", "1.11", "VIRT0030",
    )  # fmt: skip
    page, configuration = drive.capabilities(), drive.configuration()
    assert page is not None
    assert page.c2
    assert configuration is not None
    assert configuration.profile == drive.profile == 0x08
    information = drive.disc_information()
    assert information is not None
    assert information.state is DiscState.COMPLETE
    assert drive.toc_reply(2) == drive.disc.raw_toc != b""
    assert drive.toc_reply(3) == drive.toc_reply(4) == b"", "a pressed disc"


def test_what_is_no_optical_drive_is_refused() -> None:
    def alter(command: Command, reply: Reply) -> Reply:
        return Reply(data=b"\0" + bytes(reply.data)[1:]) if command.cdb[0] == 0x12 else reply

    drive, _, _ = drive_with(None, alter=alter)
    with pytest.raises(NotAvailable, match="not an optical drive"):
        _ = drive.identity


def test_codes_are_read_from_the_subchannel() -> None:
    source = memory_disc([audio(300, isrc="GBAYE0000351"), audio(300)], mcn="4006381333931")
    drive, _, _ = drive_with(source)
    assert drive.mcn() == "4006381333931"
    assert drive.isrc(1) == "GBAYE0000351"
    assert drive.isrc(2) is None


class TestStatus:
    def test_an_empty_drive_an_open_tray_and_a_ready_disc(self) -> None:
        drive, virtual, _ = drive_with(None)
        virtual.close_tray()
        assert drive.status() is DriveStatus.EMPTY
        virtual.open_tray()
        assert drive.status() is DriveStatus.TRAY_OPEN
        assert drive.wait_ready() is DriveStatus.TRAY_OPEN
        with pytest.raises(NoMedium, match="tray open"):
            _ = drive.layout
        virtual.insert(memory_disc([data(300)]))
        assert drive.wait_ready() is DriveStatus.READY
        assert drive.layout.end == 300

    def test_it_waits_while_the_disc_spins_up(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)]), profile=DriveProfile(spin_up=40.0))
        assert drive.status() is DriveStatus.BECOMING_READY
        assert drive.wait_ready(5.0) is DriveStatus.BECOMING_READY
        assert drive.wait_ready() is DriveStatus.READY
        assert virtual.clock.now >= 40.0

    def test_patience_ends(self) -> None:
        drive, _, _ = drive_with(memory_disc([data(300)]), profile=DriveProfile(spin_up=500.0))
        with pytest.raises(UnreadableDisc, match="not ready after 90 seconds"):
            _ = drive.layout

    def test_a_disc_that_the_drive_cannot_read_is_unreadable(self) -> None:
        drive, _, _ = drive_with(
            memory_blocks(300, medium=Medium.BD), profile=DriveProfile(media=("cd",))
        )
        assert drive.wait_ready() is DriveStatus.UNREADABLE
        with pytest.raises(UnreadableDisc, match="label side up"):
            _ = drive.layout

    def test_a_blank_disc_says_so(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            if command.cdb[0] == 0x51:
                return Reply(data=bytes(2) + b"\0" + bytes(reply.data)[3:])
            return reply

        drive, _, _ = drive_with(memory_disc([data(300)]), alter=alter)
        with pytest.raises(UnreadableDisc, match="blank"):
            _ = drive.layout

    def test_an_eject_request_is_an_event(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)]))
        assert drive.layout
        assert drive.lock(True)
        while (event := drive.media_events()) is not None and event.code:
            pass
        assert not virtual.press_eject()
        event = drive.media_events()
        assert event is not None
        assert event.code == MediaEventCode.EJECT_REQUEST
        assert drive.link.eject_requested
        assert len(drive.read(0, 10)) == 10


class TestTray:
    def test_eject_unlocks_first(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)]))
        assert drive.layout
        drive.lock(True)
        drive.eject()
        assert drive.status() is DriveStatus.TRAY_OPEN
        drive.close_tray()
        assert drive.wait_ready() is DriveStatus.READY
        assert virtual.plugged

    def test_a_tray_that_does_not_move_is_an_error_with_its_reason(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return refused(5, 0x53, 2) if command.cdb[0] == 0x1B else reply

        drive, _, _ = drive_with(memory_disc([data(300)]), alter=alter)
        with pytest.raises(CommandFailed, match="did not open its tray: 05/53/02, removal"):
            drive.eject()
        with pytest.raises(CommandFailed, match="did not close"):
            drive.close_tray()


class TestAnotherDisc:
    def test_a_changed_disc_is_never_mixed_with_the_first(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)], seed=1))
        drive.read(0, 50)
        before = drive.media_generation
        virtual.remove()
        virtual.insert(memory_disc([data(400)], seed=2))
        with pytest.raises(WrongDisc, match="taken out or changed"):
            drive.read(50, 50)
        assert drive.media_generation > before
        with pytest.raises(WrongDisc):
            drive.read(50, 50)
        assert drive.layout.end == 300
        drive.identify()
        assert drive.layout.end == 400
        assert len(drive.read(0, 400)) == 400

    def test_a_disc_taken_out_while_reading_is_no_medium(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)]))
        drive.read(0, 50)
        virtual.open_tray()
        with pytest.raises(NoMedium, match="gone"):
            drive.read(50, 50)

    def test_after_our_own_eject_the_next_disc_is_identified(self) -> None:
        drive, virtual, _ = drive_with(memory_disc([data(300)]))
        assert drive.layout.end == 300
        drive.eject()
        virtual.insert(memory_disc([data(400)]))
        assert drive.layout.end == 400

    def test_a_reset_is_survived_and_the_speed_repeated(self) -> None:
        source = memory_disc([data(2000)])
        plan = FaultPlan(drive=(DriveFault(what=DriveTrouble.RESET, lba=1000),))
        drive, virtual, between = drive_with(source, plan)
        assert drive.layout
        drive.set_speed(1411)
        generation = drive.media_generation
        speeds = between.count(0xBB)
        assert_same_sectors(drive, source)
        assert drive.media_generation == generation
        assert between.count(0xBB) > speeds
        page = drive.capabilities()
        assert page is not None
        assert page.read_speed == 1411
        assert virtual.plugged

    def test_a_disc_changed_behind_a_reset_is_noticed(self) -> None:
        drive, virtual, between = drive_with(memory_disc([data(300)]))
        drive.read(0, 10)
        virtual.remove()
        virtual.insert(memory_disc([data(301)]))

        def only_a_reset(command: Command, reply: Reply) -> Reply:
            told = reply.sense is not None and reply.sense.asc == 0x28
            return refused(6, 0x29, 0) if told else reply

        between.alter = only_a_reset
        with pytest.raises(WrongDisc):
            drive.read(10, 10)

    def test_the_event_of_an_insertion_is_no_change_of_it(self) -> None:
        drive, _, _ = drive_with(memory_disc([data(300)]))
        assert drive.layout
        drive.media_events()
        assert len(drive.read(0, 10)) == 10

    def test_a_drive_that_goes_is_lost(self) -> None:
        plan = FaultPlan(drive=(DriveFault(what=DriveTrouble.LOST, lba=100),))
        drive, _, _ = drive_with(memory_disc([data(300)]), plan)
        with pytest.raises(DriveLost):
            drive.read(0, 300)


class TestSpeed:
    def test_a_speed_is_set_and_read_back(self) -> None:
        drive, _, _ = drive_with(memory_disc([data(300)]))
        assert drive.layout
        assert drive.set_speed(706) == 706
        assert drive.set_speed(None) == 8467

    def test_a_dvd_takes_its_speed_by_streaming(self) -> None:
        drive, _, between = drive_with(memory_blocks(300))
        assert drive.layout
        drive.set_speed(5540)
        assert between.count(0xB6) == 1
        assert between.count(0xBB) == 0

    def test_a_refused_speed_is_no_error(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return refused(5, 0x20, 0) if command.cdb[0] in (0xBB, 0x5A) else reply

        drive, _, _ = drive_with(memory_disc([data(300)]), alter=alter)
        assert drive.set_speed(706) is None
        assert drive.layout.end == 300


class TestTrackModes:
    def test_the_header_has_the_last_word(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            if command.cdb[0] == 0x52 and reply.ok:
                changed = bytearray(reply.data)
                changed[6] = changed[6] & 0xF0 | 2
                return Reply(data=bytes(changed))
            return reply

        drive, _, _ = drive_with(memory_disc([data(300)]), alter=alter)
        assert drive.layout.tracks[0].mode is TrackMode.MODE1
        assert "mode 2; its sectors are mode 1" in drive.warnings[0]

    @pytest.mark.parametrize(
        ("told", "kind", "mode"),
        [
            (2, DiscType.CDDA_OR_ROM, TrackMode.MODE2),
            (1, DiscType.XA, TrackMode.MODE1),
            (15, DiscType.XA, TrackMode.MODE2),
            (15, DiscType.CDDA_OR_ROM, TrackMode.MODE1),
        ],
    )
    def test_a_damaged_beginning_leaves_the_drives_word_then_the_disc_type(
        self, told: int, kind: DiscType, mode: TrackMode
    ) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            if command.cdb[0] == 0x52 and reply.ok:
                changed = bytearray(reply.data)
                changed[6] = changed[6] & 0xF0 | told
                return Reply(data=bytes(changed))
            return reply

        plan = FaultPlan(sectors=(SectorFault(what=What.UNREADABLE, areas=(range(200),)),))
        source = memory_disc([data(300)], disc_type=kind)
        drive, _, _ = drive_with(source, plan, alter=alter)
        assert drive.layout.tracks[0].mode is mode
        assert len(drive.warnings) == 1


class TestSizeOfBlocks:
    """Where READ CAPACITY and the disc structure disagree."""

    @staticmethod
    def capacity(sectors: int) -> Reply:
        return Reply(data=(sectors - 1).to_bytes(4, "big") + (2048).to_bytes(4, "big"))

    def test_a_capacity_that_is_too_small_is_overruled_by_reading_beyond_it(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return self.capacity(700) if command.cdb[0] == 0x25 else reply

        source = memory_blocks(900, layers=(500,))
        drive, _, _ = drive_with(source, alter=alter)
        assert drive.layout.end == 900
        assert drive.layout.layers == (500,)
        assert "700 sectors, the disc's lead-in 900; 900 are taken" in drive.warnings[0]
        assert_same_sectors(drive, source)

    @pytest.mark.parametrize("medium", [Medium.DVD, Medium.BD])
    def test_a_capacity_that_is_too_large_is_overruled_by_failing_beyond(
        self, medium: Medium
    ) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return self.capacity(1000) if command.cdb[0] == 0x25 else reply

        drive, _, _ = drive_with(memory_blocks(900, medium=medium), alter=alter)
        assert drive.layout.end == 900
        assert "nothing beyond it reads" in drive.warnings[0]

    def test_damage_at_the_outer_edge_does_not_shorten_the_disc(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return self.capacity(700) if command.cdb[0] == 0x25 else reply

        plan = FaultPlan(sectors=(SectorFault(what=What.UNREADABLE, areas=(range(850, 900),)),))
        drive, _, _ = drive_with(memory_blocks(900), plan, alter=alter)
        assert drive.layout.end == 900

    def test_without_a_structure_the_capacity_counts(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return refused(5, 0x20, 0) if command.cdb[0] == 0xAD else reply

        drive, _, _ = drive_with(memory_blocks(900), alter=alter)
        assert drive.layout.end == 900
        assert drive.warnings == ()

    def test_on_a_recordable_disc_the_structure_tells_only_the_room(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            if command.cdb[0] == 0x46 and reply.ok:
                return Reply(data=bytes(reply.data)[:6] + b"\0\x1b" + bytes(reply.data)[8:])
            return self.capacity(600) if command.cdb[0] == 0x25 else reply

        drive, _, between = drive_with(memory_blocks(900), alter=alter)
        assert drive.layout.end == 600
        assert drive.warnings == ()
        assert between.count(0xA8) == 0

    def test_with_neither_the_disc_is_unreadable(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            return refused(3, 2, 0) if command.cdb[0] in (0x25, 0xAD) else reply

        drive, _, _ = drive_with(memory_blocks(900), alter=alter)
        with pytest.raises(UnreadableDisc, match="how large"):
            _ = drive.layout


class TestOldDrives:
    def test_a_drive_without_get_configuration_and_full_toc_reads_cds(self) -> None:
        def alter(command: Command, reply: Reply) -> Reply:
            new = command.cdb[0] in (0x46, 0x51, 0x52)
            full = command.cdb[0] == 0x43 and command.cdb[2] >= 2
            return refused(5, 0x24 if full else 0x20, 0) if new or full else reply

        source = memory_disc([*MIXED, data(300, session=2)])
        drive, _, _ = drive_with(source, alter=alter)
        assert what_a_toc_tells(drive.layout) == what_a_toc_tells(source.layout)
        assert [s.lead_out for s in drive.layout.sessions] == [1200, 12900]
        assert drive.disc.raw_toc == drive.toc_reply(2) == b""
        assert drive.profile == 0
        assert drive.identity.serial
        assert_same_sectors(drive, source)


def test_reading_outside_every_session_is_the_callers_bug() -> None:
    drive, _, _ = drive_with(memory_disc([data(300), data(300, session=2)]))
    for lba in (-1, 300, 5000, 20_000):
        with pytest.raises(ValueError, match="no sectors"):
            drive.read(lba, 1)
    with pytest.raises(ValueError, match="no sectors"):
        drive.read(0, 0)


def test_the_drive_is_a_sector_source() -> None:
    drive, _, _ = drive_with(memory_disc([data(300)]))
    assert isinstance(drive, SectorSource)
    block = drive.read(100, 5)
    assert (block.lba, len(block)) == (100, 5)
    assert (block.states == SectorState.READ).all()
