# SPDX-License-Identifier: Apache-2.0
"""Every container that is written: its row tells the truth, and what it wrote reads back."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorSource
from imagerd.formats import Container, Feature, Image, losses, open_image
from imagerd.formats.features import lost
from imagerd.formats.registry import COOKED, ROWS
from imagerd.toolkit.convert import ConvertOptions, convert
from imagerd.toolkit.repair import repair
from tests.discs_formats import MemorySource as Pattern
from tests.sources import audio, data, memory_disc
from tests.strategies_formats import layouts

WRITTEN = [container for container, row in ROWS.items() if row.writer]
CDS = [container for container in WRITTEN if container not in COOKED | {Container.GDI}]
PACKED = (Container.CHD, Container.ECM)


def named(folder: Path, container: Container, stem: str = "x") -> Path:
    return folder / (f"{stem}.bin.ecm" if container is Container.ECM else f"{stem}.{container}")


def opened(target: Path) -> Image:
    """The whole of what was written: an .ecm is described by its sheet."""
    return open_image(target.with_name("x.cue") if target.suffix == ".ecm" else target)


@pytest.mark.parametrize("container", WRITTEN)
def test_every_row_says_what_it_holds(container: Container) -> None:
    assert ROWS[container].holds is not None


def has(source: SectorSource) -> dict[Feature, str]:
    return {trait.feature: trait.sentence for trait in lost(source, frozenset())}


@pytest.mark.parametrize("container", CDS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(most_sessions=2))
def test_a_feature_that_a_container_holds_comes_back(container: Container, layout: Layout) -> None:
    assume(not layout.start and layout.tracks[0].number == 1)  # not all have a way to say so
    source = Pattern(layout)
    holds = ROWS[container].holds
    assert holds is not None
    with tempfile.TemporaryDirectory() as folder:
        target = named(Path(folder), container)
        try:
            result = run(convert(source, target, ConvertOptions()))
        except BadInput:
            return  # refused in a sentence: sessions too near, and the like
        with closing(opened(target)) as image:
            kept, had = has(image), has(source)
        for feature in had.keys() & holds - {Feature.PREGAPS, Feature.SUBCHANNEL}:
            assert kept.get(feature) == had[feature], (feature, result.left_out)


@pytest.mark.parametrize("container", [*CDS, *sorted(COOKED)])
def test_what_is_written_reads_back_with_its_repairs(tmp_path: Path, container: Container) -> None:
    hurt = memory_disc([data(60), audio(30, pregap=10)], mcn="4006408130000")
    hurt.raw[1][7, 300] ^= 1
    hurt.raw[1][9, 100:1500] = 0x55
    target = named(tmp_path, container)
    wanted = ConvertOptions(repair=True, verify=True)
    result = run(convert(hurt, target, wanted))
    assert result.reread is not None and result.reread.same, result.reread
    assert result.repaired.ranges == (range(7, 8),)
    assert result.wrong.ranges == (range(9, 10),)
    assert run(convert(hurt, target, replace(wanted, keep=True))).kept


@pytest.mark.parametrize("container", [c for c in CDS if c not in PACKED])
def test_repair_in_place_works_wherever_sectors_lie_plainly(
    tmp_path: Path, container: Container
) -> None:
    hurt = memory_disc([data(60), audio(30, pregap=10)])
    target = named(tmp_path, container)
    run(convert(hurt, tmp_path / f"good.{container}", ConvertOptions()))
    hurt.raw[1][7, 300] ^= 1
    run(convert(hurt, target, ConvertOptions()))
    with closing(open_image(target)) as image:
        assert run(repair(image)).mended.ranges == (range(7, 8),)
    with (
        closing(open_image(target)) as mended,
        closing(open_image(tmp_path / f"good.{container}")) as good,
    ):
        assert (mended.read(0, 60).data == good.read(0, 60).data).all()


@pytest.mark.parametrize("container", PACKED)
def test_a_packed_image_is_not_repaired_in_place(tmp_path: Path, container: Container) -> None:
    hurt = memory_disc([data(40)])
    hurt.raw[1][7, 300] ^= 1
    target = named(tmp_path, container)
    run(convert(hurt, target, ConvertOptions()))
    before = target.read_bytes()
    packed = pytest.raises(BadInput, match="packed")
    with closing(opened(target)) as image, packed:
        run(repair(image))
    assert target.read_bytes() == before
    assert not list(tmp_path.glob("*.undo"))


def test_losses_are_the_same_for_the_image_and_for_its_disc(tmp_path: Path) -> None:
    disc = memory_disc([data(40), audio(20, isrc="DEA371500001")], mcn="4006408130000")
    run(convert(disc, tmp_path / "x.cue", ConvertOptions()))
    with closing(open_image(tmp_path / "x.cue")) as image:
        for container in WRITTEN:
            assert losses(image, container) == losses(disc, container)
