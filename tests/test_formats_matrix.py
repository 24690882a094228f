# SPDX-License-Identifier: Apache-2.0
"""Every container that is written into every other: the same disc, or exactly what was told lost.

Discs, and what is left of them, are those of `matrix_discs`. The read-only containers are in
`test_formats_matrix_sources`; what other people's programs say, in `test_formats_matrix_judges`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerd.base.progress import run
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorSource
from imagerd.formats import Container, Feature, losses
from imagerd.formats.features import lost
from imagerd.formats.rawtracks import has_sub
from imagerd.formats.registry import COOKED
from imagerd.sectors.geometry import FORM2_BIT, SUBMODE
from imagerd.sectors.views import UserView
from imagerd.toolkit.compare import Sameness, compare
from tests.matrix_discs import (
    CDS,
    DISCS,
    LIBCRYPT,
    Made,
    assert_sectors,
    bare,
    left_of,
    made,
    open_made,
    raw_sectors,
    wrong_q,
)
from tests.sources import memory_blocks

BLOCKS = [
    Container.ISO,
    Container.CSO,
    Container.ZSO,
    Container.CHD,
    Container.MDS,
    Container.NRG,
]


def may_refuse(container: Container, source: SectorSource) -> bool:
    """A TOC has one session, a .gdi the two areas of a GD-ROM."""
    if container is Container.TOC:
        return len(source.layout.sessions) > 1
    return container is Container.GDI and source.layout.sessions[-1].start != 45000


def assert_only_told_is_lost(one: Made, source: SectorSource, told: str) -> None:
    assert one.result.ok, told
    assert one.result.lost == losses(source, Container(one.result.format)), told
    with open_made(one) as image:
        assert bare(image.layout) == left_of(source.layout, one.result.lost), told
        assert not {*lost(image, frozenset())} & {*one.result.lost}, told  # it is really lost
        sub = has_sub(source) and not one.lacks(Feature.SUBCHANNEL)
        assert_sectors(image, source, sub=sub, told=told)


@pytest.mark.parametrize("disc", DISCS)
@pytest.mark.parametrize("first", CDS)
def test_a_cd_loses_what_is_told_and_nothing_else_there_and_from_there(
    tmp_path: Path, first: Container, disc: str
) -> None:
    source = DISCS[disc]
    one = made(source, tmp_path / "first", first)
    if one is None:
        assert may_refuse(first, source)
        return
    assert_only_told_is_lost(one, source, f"{disc} in {first}")
    for second in CDS:
        with open_made(one) as image:
            other = made(image, tmp_path / second, second)
            if other is None:
                assert may_refuse(second, image), (first, second)
                continue
            assert_only_told_is_lost(other, image, f"{disc}, {first} to {second}")
    for second in sorted(COOKED):
        with open_made(one) as image:
            other = made(image, tmp_path / second, second)
            assert (other is not None) is holds_blocks(source), (first, second)
            if other is not None:
                assert_data_track(other, image, f"{disc}, {first} to {second}")


def assert_data_track(one: Made, source: SectorSource, told: str) -> None:
    """The blocks are those of the first data track of `source`, from its INDEX 01 on."""
    assert one.result.lost == losses(source, Container(one.result.format)), told
    data = UserView(source)
    with open_made(one) as image:
        result = run(compare(data, image, common=True, shift=-data.layout.start))
    assert result.outcome is Sameness.EQUAL, told
    assert result.sectors == data.layout.sectors, told
    assert not result.only_a and not result.only_b, told


@pytest.mark.parametrize("first", CDS)
def test_what_a_protection_wrote_into_q_comes_through(tmp_path: Path, first: Container) -> None:
    """The frames that a .sbi would list, and no other, differ from what the layout says."""
    source = DISCS["subchannel"]
    assert wrong_q(source) == LIBCRYPT
    one = made(source, tmp_path / "first", first)
    if one is None or one.lacks(Feature.SUBCHANNEL):
        assert first in (Container.CUE, Container.ECM, Container.GDI)
        return
    for second in CDS:
        with open_made(one) as image:
            other = made(image, tmp_path / second, second)
        if other is not None and not other.lacks(Feature.SUBCHANNEL):
            with open_made(other) as image:
                assert wrong_q(image) == LIBCRYPT, (first, second)


def holds_blocks(source: SectorSource) -> bool:
    """Whether it has a data track, in whose first one no sector is form 2."""
    for area, block in raw_sectors(source):
        track = source.layout.track_at(area.start)
        if track is not None and track.is_data:
            form2 = (block.data[:, SUBMODE] & FORM2_BIT).any()
            return track.mode is not TrackMode.MODE2 or not form2
    return False


@pytest.mark.parametrize("first", BLOCKS)
def test_a_dvd_is_the_same_in_any_container_and_from_there_in_any_other(
    tmp_path: Path, first: Container
) -> None:
    """An .iso does not say what disc it is of: its bytes are what must come back."""
    source = memory_blocks(300)
    right = source.raw[1].tobytes()
    one = made(source, tmp_path / "first", first)
    assert one is not None
    for second in BLOCKS:
        with open_made(one) as image:
            other = made(image, tmp_path / second, second)
        assert other is not None
        with open_made(other) as image:
            back = made(image, tmp_path / f"{second} again", Container.ISO)
        assert back is not None
        assert back.path.read_bytes() == right, (first, second)


@pytest.mark.parametrize("container", BLOCKS)
def test_where_the_second_layer_begins_is_kept_or_told(
    tmp_path: Path, container: Container
) -> None:
    source = memory_blocks(300, layers=(160,))
    one = made(source, tmp_path, container)
    assert one is not None
    with open_made(one) as image:
        kept = image.layout.layers == (160,)
    assert kept is not one.lacks(Feature.LAYERS)
