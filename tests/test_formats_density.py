# SPDX-License-Identifier: Apache-2.0
"""Data position measurement: read from .mds, .b6t and .bwa, kept, named where it is lost."""

from __future__ import annotations

import json
import struct
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.source import SectorSource
from imagerd.formats import Container, Feature, WriteOptions, losses, open_image, write_image
from imagerd.formats.binary import Fields
from imagerd.formats.density import Density, read_density, render_density
from imagerd.formats.origin import Origin, origin_of
from imagerd.toolkit.convert import ConvertOptions, convert
from tests.sheets import SubSource
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.test_formats_b6t import b6t, mixed

MEASURED = (
    Density(0, 50, tuple(range(100, 5000, 77)), 1),
    Density(20, 256, (3, 0xFFFFFFFF, 0), 7),
)
WORDS = st.integers(0, 0xFFFFFFFF)


def write(source: SectorSource, target: Path, *densities: Density) -> Path:
    origin = Origin(densities=densities) if densities else None
    run(write_image(source, target, WriteOptions(sync=False, hash=False, origin=origin)))
    return target


def densities(path: Path) -> tuple[Density, ...]:
    with closing(open_image(path)) as image:
        assert not any("densit" in str(warning) for warning in image.warnings)
        return origin_of(image).densities


@given(density=st.builds(Density, WORDS, WORDS, st.lists(WORDS, max_size=50).map(tuple)))
def test_a_measurement_reads_back(density: Density) -> None:
    data = b"before" + render_density(density)
    assert read_density(Fields(data), 6) == density
    with pytest.raises(BadInput):
        read_density(Fields(data[:-1]), 6)


@pytest.mark.parametrize("dvd", [False, True])
@pytest.mark.parametrize("between", ["mds", "chd"])
def test_an_mds_keeps_it_to_the_bit_through_what_holds_it(
    tmp_path: Path, between: str, dvd: bool
) -> None:
    disc = memory_blocks(40) if dvd else memory_disc([data(40), audio(20)])
    first = write(disc, tmp_path / "a.mds", *MEASURED)
    assert densities(first) == MEASURED
    for source, target in (("a.mds", f"b.{between}"), (f"b.{between}", "c.mds")):
        with closing(open_image(tmp_path / source)) as image:
            write(image, tmp_path / target)
    assert densities(tmp_path / f"b.{between}") == MEASURED
    assert (tmp_path / "c.mds").read_bytes() == first.read_bytes()


def test_what_cannot_hold_it_says_so_and_strictness_refuses(tmp_path: Path) -> None:
    disc = memory_disc([data(40), audio(20)])
    write(disc, tmp_path / "a.mds", *MEASURED)
    with closing(open_image(tmp_path / "a.mds")) as image:
        for container in (Container.CUE, Container.NRG, Container.TOC, Container.CCD):
            lost = losses(image, container)
            assert lost is not None
            assert [trait.feature for trait in lost] == [Feature.DPM]
        assert losses(image, Container.CHD) == losses(image, Container.MDS) == ()
        with pytest.raises(BadInput, match="DPM"):
            run(convert(image, tmp_path / "b.nrg", ConvertOptions(strict=True)))
        wrapped = ConvertOptions(strict=True, origin=origin_of(image))
        with pytest.raises(BadInput, match="DPM"):
            run(convert(disc, tmp_path / "b.nrg", wrapped))


def test_info_and_convert_tell_of_it(tmp_path: Path) -> None:
    path = write(memory_disc([data(40)]), tmp_path / "a.mds", MEASURED[1])
    told = CliRunner().invoke(cli, ["info", str(path)]).stdout
    assert "768 sectors from LBA 20" in told
    shown = json.loads(CliRunner().invoke(cli, ["info", "--json", str(path)]).stdout)
    assert shown["disc"]["densities"] == [{"first": 20, "resolution": 256, "angles": 3}]
    result = CliRunner().invoke(cli, ["convert", str(path), str(tmp_path / "a.cue")])
    assert result.exit_code == 0
    assert "density measurements (DPM)" in result.stderr


@pytest.mark.parametrize("inside", [True, False])
def test_blindwrite_has_it_inside_or_beside(tmp_path: Path, inside: bool) -> None:
    path = b6t(tmp_path / "disc.b6t", SubSource(mixed()), sub=False)
    block = render_density(MEASURED[0])
    if inside:
        body = path.read_bytes()
        at = body.index(b"BWT5 STREAM FOOT") - 4
        head = struct.pack("<8I", 1, 1, 0, 0, len(block), len(block), 0, 1)
        made = bytearray(body[:at] + head + block + body[at:])
        struct.pack_into("<I", made, 16 + 112 + 112 + 16, len(head + block))
        path.write_bytes(made)
    else:
        path.with_suffix(".bwa").write_bytes(struct.pack("<3I", 1, 8, 1) + block)
    assert densities(path) == (MEASURED[0],)
    with closing(open_image(path)) as image:
        write(image, tmp_path / "x.mds")
    assert densities(tmp_path / "x.mds") == (MEASURED[0],)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_damaged_measurements_never_cost_the_disc(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("dpm")
    path = write(memory_disc([data(10)]), folder / "a.mds", *MEASURED)
    plain = write(memory_disc([data(10)]), folder / "b.mds").stat().st_size
    body = bytearray(path.read_bytes())
    body[plain + at % (len(body) - plain)] = byte
    path.write_bytes(body)
    with closing(open_image(path)) as image:
        assert image.layout.end == 10


def test_measurements_laid_over_each_other_are_not_unrolled(tmp_path: Path) -> None:
    path = write(memory_disc([data(10)]), tmp_path / "a.mds")
    body = path.read_bytes()
    count = 200_000
    block = struct.pack("<4I", 1, 0, 50, count) + bytes(4 * count)
    table = struct.pack("<I", 16) + struct.pack("<16I", *[len(body) + 68] * 16)
    path.write_bytes(body[:0x54] + struct.pack("<I", len(body)) + body[0x58:] + table + block)
    with closing(open_image(path)) as image:
        assert origin_of(image).densities == ()
        assert "density" in str(image.warnings[0])
