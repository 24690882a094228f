# SPDX-License-Identifier: Apache-2.0
"""Every readable container into every one that is written: the same disc on both sides."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import Control, DiscType, TrackMode
from imagerd.disc.source import SectorSource
from imagerd.formats import Container, Feature
from imagerd.formats.registry import COOKED, ROWS
from imagerd.toolkit.compare import Sameness, compare
from imagerd.toolkit.convert import ConvertOptions, convert
from tests.sources import TrackPlan, audio, data, memory_blocks, memory_disc
from tests.test_convert_containers import CDS, has, named, opened

PRE_EMPHASIS = Control.PRE_EMPHASIS | Control.COPY_PERMITTED
DISCS = {
    "mode 1": memory_disc([data(160)]),
    "mode 2": memory_disc([TrackPlan(TrackMode.MODE2, 200, form2=3)], disc_type=DiscType.XA),
    "audio": memory_disc(
        [
            audio(150, indexes=(40,)),
            audio(180, pregap=20, control=PRE_EMPHASIS, isrc="QZIMG2600001", indexes=(30, 60)),
        ],
        mcn="4006408130000",
    ),
    "mixed mode": memory_disc([data(200), audio(220, pregap=150), audio(90, 33)]),
    "CD-Extra": memory_disc([audio(160), TrackPlan(TrackMode.MODE2, 170, session=2, form2=2)]),
    "three sessions": memory_disc([data(160, session=number) for number in (1, 2, 3)]),
}
BLOCKS = [Container.ISO, Container.CSO, Container.ZSO, Container.CHD, Container.MDS]
ALWAYS_SAID = {Feature.PREGAPS, Feature.SUBCHANNEL}  # told of what is not stored, too


def written(source: SectorSource, folder: Path, container: Container) -> Path | None:
    """The image, None where the container refuses such a disc in a sentence."""
    folder.mkdir()
    target = named(folder, container)
    try:
        run(convert(source, target, ConvertOptions()))
    except BadInput:
        return None
    return target


def assert_same(source: SectorSource, target: Path, kept: frozenset[Feature], told: str) -> None:
    with closing(opened(target)) as image:
        assert run(compare(image, source)).outcome is Sameness.EQUAL, told
        had, there = has(source), has(image)
        for feature in had.keys() & kept - ALWAYS_SAID:
            assert there.get(feature) == had[feature], (told, feature)


def holds(container: Container) -> frozenset[Feature]:
    found = ROWS[container].holds
    assert found is not None
    return found


@pytest.mark.parametrize("disc", DISCS)
@pytest.mark.parametrize("first", CDS)
def test_a_cd_is_the_same_in_any_container_and_from_there_in_any_other(
    tmp_path: Path, first: Container, disc: str
) -> None:
    source = DISCS[disc]
    one = written(source, tmp_path / "first", first)
    if one is None:
        assert len(source.layout.sessions) > 1, (first, disc)
        return
    assert_same(source, one, holds(first), f"{disc} in {first}")
    for second in CDS:
        with closing(opened(one)) as image:
            other = written(image, tmp_path / second, second)
        if other is None:
            assert len(source.layout.sessions) > 1, (first, second, disc)
            continue
        told = f"{disc}, {first} to {second}"
        assert_same(source, other, holds(first) & holds(second), told)


@pytest.mark.parametrize("first", BLOCKS)
def test_a_dvd_is_the_same_in_any_container_and_from_there_in_any_other(
    tmp_path: Path, first: Container
) -> None:
    """An .iso does not say what disc it is of: its bytes are what must come back."""
    source = memory_blocks(300)
    right = source.read(0, 300).data.tobytes()
    one = written(source, tmp_path / "first", first)
    assert one is not None
    for second in BLOCKS:
        with closing(opened(one)) as image:
            other = written(image, tmp_path / second, second)
        assert other is not None
        with closing(opened(other)) as image:
            back = written(image, tmp_path / f"{second} again", Container.ISO)
        assert back is not None
        assert back.read_bytes() == right, (first, second)


@pytest.mark.parametrize("first", CDS)
@pytest.mark.parametrize("second", sorted(COOKED))
def test_the_data_track_is_the_same_out_of_any_container(
    tmp_path: Path, first: Container, second: Container
) -> None:
    source = DISCS["mixed mode"]
    one = written(source, tmp_path / "first", first)
    assert one is not None
    with closing(opened(one)) as image:
        other = written(image, tmp_path / "second", second)
    assert other is not None
    with closing(opened(other)) as image:
        result = run(compare(image, source, common=True))
    assert result.outcome is Sameness.EQUAL
    assert result.sectors == 200
