# SPDX-License-Identifier: Apache-2.0
"""The way of a disc into an archive within one process, and deaths at every step of it."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from imagerd.archive.eject import eject_by_policy
from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stage, follow
from imagerd.archive.world import Order, World
from imagerd.base.config import parse_config
from imagerd.base.files import AtomicFile
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.database import Database
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource
from imagerd.formats import open_image
from imagerd.recovery.journal import Journal
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.views import RawView
from tests.drives import Alter, Altered
from tests.sources import MemorySource

CONFIG = """\
[archive]
folder = "archive"
minimum_free = 1
naming = "disc"
[daemon]
state = "state"
runtime = "run"
[policy]
{policy}
[policy.budget]
minutes = 1
attempts = 2
rounds_without_gain = 1
"""


class Died(BaseException):  # not an error: what kill -9 does
    """Raised after the step after which the process is to die, and at all that follow."""


@dataclass(slots=True)
class Fate:
    """Counts the steps that change something outside the process; after `fatal` of them it dies."""

    fatal: int | None = None
    steps: int = 0
    last: str = ""

    def check(self, what: str) -> None:
        """Before a step: the dead do nothing more."""
        if self.fatal is not None and self.steps >= self.fatal:
            raise Died(what)

    def step(self, what: str) -> None:
        """A step was done."""
        self.steps += 1
        self.last = what
        self.check(what)


@functools.lru_cache(maxsize=1)
def _catalog(url: str) -> Catalog:
    return Catalog.open(url)


@contextmanager
def opened(url: str) -> Iterator[Catalog]:
    """The catalog over connections of its own, as each process has them.

    Of all else only what SQLAlchemy has compiled is kept: to compile it again in each of hundreds
    of lives took most of their time.
    """
    with _catalog(url) as catalog:
        yield catalog


class Place:
    """An archive in a folder, with its catalog, and the disc that is put in again and again."""

    def __init__(
        self, folder: Path, disc: MemorySource, faults: str = "", policy: str = ""
    ) -> None:
        self.folder = folder
        self.disc = disc
        self.faults = FaultPlan.parse(faults)
        self.config = parse_config(
            CONFIG.format(policy=policy), file=folder / "imagerd.toml", environ={}
        )
        self.config.archive.folder.mkdir(exist_ok=True)
        self.reads: list[bytes] = []
        self.medium = ""  # what a recordable disc is called, if it is one
        self.alter: Alter | None = None  # what is strange about the drive

    @contextmanager
    def world(self) -> Iterator[World]:
        with opened(self.config.catalog.url) as catalog:
            yield World(self.config, catalog)

    def with_policy(self, **changes: object) -> None:
        """Another policy from now on."""
        policy = msgspec.structs.replace(self.config.policy, **changes)
        self.config = replace(self.config, policy=policy)

    def insert(
        self,
        order: Order | None = None,
        control: Control | None = None,
        show: Callable[[Stage], None] = lambda stage: None,
    ) -> Outcome:
        """Put the disc in, and go its way; the tray opens by policy."""
        virtual = VirtualDrive()
        virtual.insert(self.disc, self.faults, medium=self.medium)
        between = Altered(virtual, self.alter)
        self.reads = between.sent
        drive = OpticalDrive(between, sleep=virtual.clock.spend, clock=lambda: virtual.clock.now)
        with self.world() as world, closing(drive):
            way = archive_disc(drive, world, order or Order(), control or Control())
            outcome = follow(way, show)
            eject_by_policy(drive, self.config.policy.eject, outcome)
            return outcome

    def data_read(self) -> list[range]:
        """What the last insertion read of the sessions by commands for many sectors."""
        commands = [cdb for cdb in self.reads if cdb[0] == 0xBE]
        areas = [
            range(lba, lba + int.from_bytes(cdb[6:9], "big"))
            for cdb in commands
            for lba in [int.from_bytes(cdb[2:6], "big")]
        ]
        return [area for area in areas if len(area) > 8 and area.start < self.disc.layout.end]

    def tidy(self, states: list[str]) -> None:
        """The jobs are in these states, oldest first, and nothing lies about."""
        with opened(self.config.catalog.url) as catalog:
            jobs = catalog.jobs.list(newest_first=False)
            images = catalog.images.search()
            files = {Path(i.folder): catalog.images.get(i.id).files for i in images}
        assert [job.state.value for job in jobs] == states
        assert set(self.config.archive.folder.iterdir()) == set(files)
        for folder, wanted in files.items():
            assert {path.name for path in folder.iterdir()} == {file.path for file in wanted}
        place = self.config.daemon.state / "jobs"
        left = {path.name for path in place.iterdir()} if place.is_dir() else set()
        assert left <= {job.id for job in jobs if job.state.value not in ("done", "skipped")}

    def images(self) -> list[Path]:
        """The images in the catalog, oldest first."""
        with opened(self.config.catalog.url) as catalog:
            return [Path(image.path) for image in reversed(catalog.images.search())]

    def differing(self, image: Path) -> set[int]:
        """The sectors of an image of one session that are not the disc's."""
        with open_image(image) as made:
            one, other = _all(made), _all(self.disc)
            assert len(one) == len(other)
            return set(np.flatnonzero((one != other).any(axis=1)).tolist())


def _all(source: SectorSource) -> np.ndarray[Any, Any]:
    view = RawView(source)
    end, lba, parts = source.layout.end, source.layout.start, []
    while lba < end:
        block = view.read(lba, end - lba)
        parts.append(block.data.copy())
        lba += len(block)
    return np.concatenate(parts)


@contextmanager
def fated(fatal: int | None) -> Iterator[Fate]:
    """Within the block every step that outlives the process is counted when it is done."""
    fate = Fate(fatal)

    def around(real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            fate.check(what)
            result = real(*args, **more)
            fate.step(what)
            return result

        return wrapped

    real_write = Database.write

    @contextmanager
    def write(database: Database) -> Iterator[Any]:
        fate.check("a commit")
        with real_write(database) as session:
            yield session
            fate.check("a commit")
        fate.step("a commit")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "write", write)
        for where, names in {
            Path: ("rename", "unlink", "mkdir", "rmdir"),
            AtomicFile: ("commit",),
            Journal: ("append",),
            Workspace: ("checkpoint",),
        }.items():
            for name in names:
                patch.setattr(where, name, around(getattr(where, name), f"{where.__name__}.{name}"))
        patch.setattr(shutil, "rmtree", around(shutil.rmtree, "rmtree"))
        yield fate
