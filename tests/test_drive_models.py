# SPDX-License-Identifier: Apache-2.0
"""A drive's model is tried out once; the catalog keeps it, and the next disc costs nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.archive.knowing import get_to_know
from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stop, follow
from imagerd.archive.world import Order, World
from imagerd.base.config import parse_config
from imagerd.base.progress import run
from imagerd.catalog.catalog import Catalog
from imagerd.cli.main import cli
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.knowledge.c2 import C2Counts, C2Verdict
from imagerd.devices.knowledge.record import AsAudio, DriveKnowledge, Fua
from imagerd.devices.knowledge.record import Order as Layout
from imagerd.devices.offsets import parse, read_offset
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan, SectorFault, What
from imagerd.devices.virtual.host import HostProcess, spawn_host
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource
from tests.archive_world import CONFIG
from tests.drives import Altered
from tests.sources import audio, data, memory_disc
from tests.toolkit_images import write_cue

NAME = ("PLEXTOR", "DVDR   PX-VIRT", "1.11")
FIRST = memory_disc([data(2600), audio(700)], seed=1)
SECOND = memory_disc([data(2600), audio(900)], seed=2)
SONGS = memory_disc([audio(2600)], seed=3)
KNOWN = DriveKnowledge(c2_sizes=(294,), raw_sub=True, order=Layout.C2_FIRST, tries=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(f"sqlite:///{tmp_path}/c.sqlite") as opened:
        yield opened


# -- the catalog


def test_what_was_learned_is_there_again(catalog: Catalog) -> None:
    assert catalog.models.get(*NAME) is None
    catalog.models.learn(*NAME, KNOWN)
    model = catalog.models.get(*NAME)
    assert model is not None
    assert model.knowledge == KNOWN
    assert model.trust is C2Verdict.UNKNOWN
    assert catalog.models.list() == (model,)


def test_each_firmware_is_a_model_of_its_own(catalog: Catalog) -> None:
    catalog.models.learn("A", "B", "1.0", KNOWN)
    assert catalog.models.get("A", "B", "1.1") is None
    assert catalog.models.get("A", "B ", "1.0") is None


def test_what_a_later_trial_does_not_tell_stays(catalog: Catalog) -> None:
    catalog.models.learn(*NAME, KNOWN)
    model = catalog.models.learn(*NAME, DriveKnowledge(fua=Fua.OBEYED, c2_sizes=(294, 296)))
    assert model.knowledge is not None
    assert model.knowledge.c2_sizes == (294, 296)
    assert model.knowledge.raw_sub is True
    assert model.knowledge.fua is Fua.OBEYED


def test_evidence_on_c2_adds_up_and_is_judged(catalog: Catalog) -> None:
    catalog.models.add_c2(*NAME, C2Counts())
    assert catalog.models.get(*NAME) is None
    catalog.models.add_c2(*NAME, C2Counts(wrong_marked=60, right_silent=10))
    catalog.models.learn(*NAME, KNOWN)
    catalog.models.add_c2(*NAME, C2Counts(wrong_marked=60))
    model = catalog.models.get(*NAME)
    assert model is not None
    assert model.c2 == C2Counts(wrong_marked=120, right_silent=10)
    assert model.trust is C2Verdict.TRUSTED
    assert model.knowledge == KNOWN


def test_several_drives_of_one_model_may_learn_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/c.sqlite"
    Catalog.open(url).close()
    answers = ("sub_lag", "pregap", "lead_out", "cache_holds")
    start = threading.Barrier(len(answers))

    def learn(answer: str) -> None:
        with Catalog.open(url) as catalog:
            start.wait()
            for _ in range(5):
                catalog.models.learn(*NAME, DriveKnowledge(**{answer: 1}))
                catalog.models.add_c2(*NAME, C2Counts(wrong_marked=1))

    threads = [threading.Thread(target=learn, args=(answer,)) for answer in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Catalog.open(url) as catalog:
        (model,) = catalog.models.list()
    assert model.knowledge is not None
    assert [getattr(model.knowledge, answer) for answer in answers] == [1, 1, 1, 1]
    assert model.c2 == C2Counts(wrong_marked=20)


def test_a_row_of_a_later_imagerd_is_not_understood_and_not_in_the_way(catalog: Catalog) -> None:
    from sqlalchemy import update

    from imagerd.catalog.models import DriveModelRow

    catalog.models.learn(*NAME, KNOWN)
    with catalog._database.write() as session:
        session.execute(update(DriveModelRow).values(knowledge={"format": 9, "c2": "yes"}))
    model = catalog.models.get(*NAME)
    assert model is not None
    assert model.knowledge is None
    assert catalog.models.learn(*NAME, KNOWN).knowledge == KNOWN


# -- the archive


class Station:
    """One archive; each `insert` is a drive of its own, of a model."""

    def __init__(self, folder: Path, extra: str = "", profile: str = "plextor") -> None:
        text = CONFIG.format(policy="") + extra
        self.config = parse_config(text, file=folder / "imagerd.toml", environ={})
        self.config.archive.folder.mkdir(exist_ok=True)
        # A cache that small discs are enough to find out about.
        self.profile = replace(DriveProfile.load(profile), cache_kb=2048)
        self.sent: list[bytes] = []
        self.seconds = 0.0

    def drive(self, disc: SectorSource, faults: FaultPlan = NO_FAULTS) -> OpticalDrive:
        virtual = VirtualDrive(self.profile)
        virtual.insert(disc, faults)
        between = Altered(virtual)
        self.sent, self.virtual = between.sent, virtual
        drive = OpticalDrive(between, sleep=virtual.clock.spend, clock=lambda: virtual.clock.now)
        drive.identify()
        assert drive.identity.serial  # asked for once, whatever is known
        return drive

    def open(self) -> Catalog:
        return Catalog.open(self.config.catalog.url)

    def get_to_know(self, disc: SectorSource, faults: FaultPlan = NO_FAULTS) -> int:
        """Commands that it took."""
        with self.open() as catalog, closing(self.drive(disc, faults)) as drive:
            before, began = len(self.sent), self.virtual.clock.now
            run(get_to_know(drive, World(self.config, catalog)))
            self.seconds = self.virtual.clock.now - began
            return len(self.sent) - before

    def archive(self, disc: SectorSource, control: Control | None = None) -> Outcome:
        with self.open() as catalog, closing(self.drive(disc)) as drive:
            world = World(self.config, catalog)
            return follow(archive_disc(drive, world, Order(), control or Control()), lambda _: None)

    def known(self) -> DriveKnowledge | None:
        who = self.profile
        with self.open() as catalog:
            model = catalog.models.get(who.vendor, who.product, who.revision)
        return None if model is None else model.knowledge


def test_a_second_disc_in_a_known_drive_costs_no_command(tmp_path: Path) -> None:
    station = Station(tmp_path)
    assert 0 < station.get_to_know(FIRST) < 420
    assert station.seconds < 5.0
    assert station.get_to_know(SECOND) == 0
    assert station.get_to_know(SONGS) == 0


def test_an_archived_disc_teaches_and_the_next_is_not_tried(tmp_path: Path) -> None:
    station = Station(tmp_path)
    assert station.archive(FIRST).state.value == "done"
    known = station.known()
    assert known is not None
    assert known.c2_sizes == (294,)
    assert known.as_audio is AsAudio.SCRAMBLED
    assert any(cdb[0] == 0xD8 for cdb in station.sent)
    assert station.archive(SECOND).state.value == "done"
    assert not any(cdb[0] in (0xD8, 0xA8) for cdb in station.sent)
    with_c2 = [cdb for cdb in station.sent if cdb[0] == 0xBE and cdb[9] & 6]
    assert all(cdb[9] & 6 == 2 for cdb in with_c2)  # 296 bytes were never tried
    assert with_c2


def test_what_needs_data_is_asked_when_data_comes(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.get_to_know(SONGS)
    known = station.known()
    assert known is not None
    assert (known.as_audio, known.fua) == (None, None)
    assert 0 < station.get_to_know(FIRST) < 20
    known = station.known()
    assert known is not None
    assert (known.as_audio, known.fua, known.tries) == (AsAudio.SCRAMBLED, Fua.OBEYED, 2)
    assert station.get_to_know(SECOND) == 0


def test_a_worn_disc_is_not_taken_for_the_drives_fault(tmp_path: Path) -> None:
    station = Station(tmp_path)
    worn = FaultPlan(sectors=(SectorFault(what=What.C2, areas=(range(3300),)),))
    station.get_to_know(FIRST, worn)
    assert station.known() is None
    station.get_to_know(FIRST)
    assert station.known() is not None


def test_an_unreadable_disc_is_not_tried_for_long(tmp_path: Path) -> None:
    station = Station(tmp_path)
    gone = FaultPlan(sectors=(SectorFault(what=What.UNREADABLE, areas=(range(16, 3300),)),))
    station.get_to_know(FIRST, gone)
    assert station.seconds < 6.0
    assert station.known() is None


def test_the_speed_limit_holds_while_the_drive_is_tried(tmp_path: Path) -> None:
    station = Station(tmp_path, '[drives."VIRT0030"]\nmax_speed = 8\n')
    station.get_to_know(FIRST)
    first_read = next(n for n, cdb in enumerate(station.sent) if cdb[0] == 0xBE and cdb[9] & 6)
    assert any(cdb[0] == 0xBB and cdb[2:4] == b"\x05\x84" for cdb in station.sent[:first_read])


def test_a_job_that_is_taken_up_again_asks_nothing(tmp_path: Path) -> None:
    station = Station(tmp_path)
    with station.open() as catalog, closing(station.drive(FIRST)) as drive:
        before = len(station.sent)
        run(get_to_know(drive, World(station.config, catalog), ask=False))
        assert len(station.sent) == before


def test_two_drives_of_one_model_may_begin_at_once(tmp_path: Path) -> None:
    station = Station(tmp_path)
    with station.open() as catalog:
        world = World(station.config, catalog)
        drives = [station.drive(FIRST), station.drive(SECOND)]
        tasks = [get_to_know(drive, world) for drive in drives]
        for task in tasks:
            next(task)
        found = [run(task) for task in tasks]
        (model,) = catalog.models.list()
        for drive in drives:
            drive.close()
    assert model.knowledge is not None
    assert found[0].c2_sizes == found[1].c2_sizes == model.knowledge.c2_sizes == (294,)


def test_a_stop_while_the_drive_is_tried_leaves_the_job_to_be_taken_up(tmp_path: Path) -> None:
    station = Station(tmp_path)
    stops = iter([Stop.NO] * 6)
    outcome = station.archive(FIRST, Control(lambda: next(stops, Stop.PAUSE)))
    assert outcome.state.value == "paused"
    assert station.known() is None
    again = station.archive(FIRST)
    assert (again.state.value, again.job) == ("done", outcome.job)


# -- the read offset


def test_the_table_of_offsets_is_sound() -> None:
    assert read_offset("PLEXTOR ", "DVDR   PX-760A  ") == 30
    assert read_offset("hl-dt-st", "DVDRAM_GSA-4163B") == 667
    assert read_offset("TSSTcorp", "CD/DVDW SH-S182D") == 6
    assert read_offset("TEAC", "CD-540E") == -496
    assert read_offset("PLEXTOR", "DVDR   PX-760") is None  # no guess by likeness
    assert read_offset("IMAGERD", "VIRTUAL DRIVE") is None
    assert read_offset("", "") is None


def test_a_model_may_be_in_the_table_only_once() -> None:
    table = '[A]\n"+6" = ["B C"]\n"+12" = ["D"]\n[a]\n"+6" = ["b  c"]\n'
    with pytest.raises(ValueError, match="twice"):
        parse(table)
    assert parse('[A]\n"-12" = ["B"]\n') == {("a", "b"): -12}


@pytest.mark.parametrize(
    ("extra", "corrected"),
    [
        ("", 30),
        ('[drives."VIRT0030"]\nread_offset = 0\n', None),
        ('[drives."VIRT0030"]\nread_offset = 12\n', 12),
    ],
)
def test_the_configuration_goes_before_the_table(
    tmp_path: Path, extra: str, corrected: int | None
) -> None:
    station = Station(tmp_path, extra)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "imagerd.archive.world.read_offset", lambda vendor, _: 30 if vendor == NAME[0] else None
        )
        outcome = station.archive(SONGS)
    assert outcome.image is not None
    with station.open() as catalog:
        (image,) = catalog.images.search()
        (drive,) = catalog.drives.list()
    assert image.read_offset == corrected
    assert drive.read_offset == (0 if corrected is None else corrected)
    edge = 30 if corrected == 30 else 0
    told = outcome.image.with_suffix(".bin").read_bytes()
    assert (told[: 2352 * 5] == SONGS.raw[1].tobytes()[: 2352 * 5]) is bool(edge)


# -- imagerctl drives


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    process = spawn_host(tmp_path / "v.sock", "v")
    yield process
    process.stop()


def test_a_free_drive_is_tried_out_and_kept_on_demand(host: HostProcess, tmp_path: Path) -> None:
    drive, kept = f"virtual:{tmp_path / 'v.sock'}", tmp_path / "catalog.sqlite"
    empty = imagerctl("drives", "--probe", drive)
    assert empty.exit_code == 3
    assert "insert a disc" in empty.stderr
    host.control.insert(write_cue(tmp_path, FIRST))
    told = imagerctl("drives", "--probe", drive, "--catalog", kept)
    assert told.exit_code == 0, told.output
    assert "294 and 296 bytes" in told.stdout
    assert "150 sectors" in told.stdout
    assert not kept.exists()
    result = imagerctl("drives", "--probe", drive, "--keep", "--json", "--catalog", kept)
    answer = json.loads(result.stdout)
    assert answer["kept"] is True
    assert answer["knowledge"]["lead_out"] == 0
    assert answer["knowledge"]["order"] == "data, C2, sub"
    with Catalog.open(f"sqlite:///{kept}", read_only=True) as catalog:
        (model,) = catalog.models.list()
    assert model.knowledge is not None
    assert model.knowledge.pregap == 150


def test_keeping_without_trying_is_a_mistake() -> None:
    result = imagerctl("drives", "--keep")
    assert result.exit_code == 2
    assert "--probe" in result.stderr
