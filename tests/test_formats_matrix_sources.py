# SPDX-License-Identifier: Apache-2.0
"""Containers that imagerd only reads, each converted into every one that it writes.

Their files are made by the tests of each container, as its description has them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from imagerd.base.progress import run
from imagerd.disc.layout import SectorFormat
from imagerd.formats import Container, Feature, losses, open_image
from imagerd.formats.rawtracks import has_sub
from imagerd.formats.registry import COOKED, ROWS
from imagerd.sectors.views import UserView
from imagerd.toolkit.compare import Sameness, compare
from tests import (
    test_formats_b6t,
    test_formats_c2d,
    test_formats_cdi,
    test_formats_mdx,
    test_formats_packed_tables,
)
from tests.chd_files import cd_block, frames_of, write_old
from tests.discs_formats import MemorySource, raw_volume, volume_sectors
from tests.matrix_discs import WRITTEN, assert_sectors, bare, left_of, made, open_made
from tests.sheets import SubSource

TARGETS = [container for container in WRITTEN if container not in {*COOKED, Container.GDI}]
RAW = raw_volume(60)
ISO = volume_sectors(60).tobytes()
PACKERS = {
    Container.GZIP: (".gz", gzip.compress),
    Container.XZ: (".xz", lzma.compress),
    Container.ZSTD: (".zst", zstd.compress),
    Container.BZIP2: (".bz2", bz2.compress),
}


def cdi(folder: Path, stored: SectorFormat) -> Path:
    source: MemorySource
    layout = test_formats_cdi.mixed(stored)
    if stored is SectorFormat.RAW_SUB:
        source = SubSource(test_formats_cdi.mixed())
        layout = layout.with_tracks(lambda track: replace(track, stored=stored))
        source.layout = layout
    else:
        source = MemorySource(layout)
    return test_formats_cdi.cdi(folder / "x.cdi", source)


def b6t(folder: Path, *, sub: bool) -> Path:
    source = SubSource(test_formats_b6t.mixed())
    return test_formats_b6t.b6t(folder / "x.b6t", source, sub=sub)


def c2d(folder: Path) -> Path:
    return test_formats_c2d.c2d(folder / "x.c2d", MemorySource(test_formats_c2d.mixed()))


def old_chd(folder: Path, version: int) -> Path:
    path = folder / "x.chd"
    write_old(path, version, frames_of(RAW, 9792), [cd_block(len(RAW))])
    return path


def table(folder: Path, name: str) -> Path:
    path = folder / f"x.{name}"
    path.write_bytes(test_formats_packed_tables.MADE[name])
    return path


def split(folder: Path) -> Path:
    for number, at in enumerate(range(0, len(ISO), 50_000), 1):
        (folder / f"x.iso.{number:03}").write_bytes(ISO[at : at + 50_000])
    return folder / "x.iso.001"


def packed(folder: Path, container: Container, name: str) -> Path:
    suffix, packer = PACKERS[container]
    path = folder / f"{name}{suffix}"
    path.write_bytes(packer(ISO if name.endswith(".iso") else RAW.tobytes()))
    return path


def plain(folder: Path, name: str) -> Path:
    (folder / name).write_bytes(RAW.tobytes())
    return folder / name


Maker = Callable[[Path], Path]
SOURCES: dict[tuple[Container, str], Maker] = {
    (Container.CDI, "2352"): lambda folder: cdi(folder, SectorFormat.RAW),
    (Container.CDI, "2336"): lambda folder: cdi(folder, SectorFormat.MODE2),
    (Container.CDI, "2048"): lambda folder: cdi(folder, SectorFormat.USER),
    (Container.CDI, "2448"): lambda folder: cdi(folder, SectorFormat.RAW_SUB),
    (Container.B6T, "2352"): lambda folder: b6t(folder, sub=False),
    (Container.B6T, "2448"): lambda folder: b6t(folder, sub=True),
    (Container.C2D, "2352"): c2d,
    (Container.MDX, "packed"): lambda folder: test_formats_mdx.made(
        folder, test_formats_mdx.mixed(7)
    ),
    (Container.CHD, "version 3"): lambda folder: old_chd(folder, 3),
    (Container.CHD, "version 4"): lambda folder: old_chd(folder, 4),
    (Container.DAA, "iso"): lambda folder: table(folder, "daa"),
    (Container.DAX, "iso"): lambda folder: table(folder, "dax"),
    (Container.ISZ, "iso"): lambda folder: table(folder, "isz"),
    (Container.DMG, "iso"): lambda folder: table(folder, "dmg"),
    (Container.SPLIT, "iso"): split,
    (Container.BIN, "alone"): lambda folder: plain(folder, "x.bin"),
    (Container.GZIP, "iso"): lambda folder: packed(folder, Container.GZIP, "x.iso"),
    (Container.GZIP, "bin"): lambda folder: packed(folder, Container.GZIP, "x.bin"),
    (Container.XZ, "iso"): lambda folder: packed(folder, Container.XZ, "x.iso"),
    (Container.XZ, "bin"): lambda folder: packed(folder, Container.XZ, "x.bin"),
    (Container.ZSTD, "iso"): lambda folder: packed(folder, Container.ZSTD, "x.iso"),
    (Container.ZSTD, "bin"): lambda folder: packed(folder, Container.ZSTD, "x.bin"),
    (Container.BZIP2, "iso"): lambda folder: packed(folder, Container.BZIP2, "x.iso"),
    (Container.BZIP2, "bin"): lambda folder: packed(folder, Container.BZIP2, "x.bin"),
}


def test_every_container_that_is_only_read_is_a_source_here() -> None:
    assert {c for c, row in ROWS.items() if not row.writer} <= {c for c, _ in SOURCES}


@pytest.mark.parametrize("which", SOURCES, ids=" ".join)
def test_it_becomes_any_container_and_loses_only_what_is_told(
    tmp_path: Path, which: tuple[Container, str]
) -> None:
    path = SOURCES[which](tmp_path)
    for target in TARGETS:
        told = f"{which} to {target}"
        with closing(open_image(path)) as image:
            one = made(image, tmp_path / target, target)
            if one is None:
                assert target is Container.TOC and len(image.layout.sessions) > 1, told
                continue
            assert one.result.lost == losses(image, target), told
            assert one.result.ok, told
            with open_made(one) as again:
                assert bare(again.layout) == left_of(image.layout, one.result.lost), told
                sub = has_sub(image) and not one.lacks(Feature.SUBCHANNEL)
                assert_sectors(again, image, sub=sub, told=told)


@pytest.mark.parametrize("which", SOURCES, ids=" ".join)
def test_its_data_track_becomes_any_container_of_blocks(
    tmp_path: Path, which: tuple[Container, str]
) -> None:
    path = SOURCES[which](tmp_path)
    for target in sorted(COOKED):
        with closing(open_image(path)) as image:
            one = made(image, tmp_path / target, target)
            assert one is not None
            assert one.result.lost == losses(image, target)
            data = UserView(image)
            with open_made(one) as again:
                result = run(compare(data, again, common=True, shift=-data.layout.start))
            assert result.outcome is Sameness.EQUAL, (which, target)
            assert result.sectors == data.layout.sectors
