# SPDX-License-Identifier: Apache-2.0
"""gzip, xz, zstd and bzip2 around an image: read from any place; damage and bombs are told."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.source import SectorState
from imagerd.formats import identify, open_image
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed import streams, xz
from tests.discs_formats import raw_volume, volume_sectors
from tests.judges import ask
from tests.packed_reading import damaged, opens_or_says_why, stored_bytes

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
}


NAMES = {".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2"}


def content(count: int) -> bytes:
    blocks = volume_sectors(count)
    blocks[20::2] = blocks[19]
    return blocks.tobytes()


@pytest.mark.parametrize("suffix", PACKERS)
def test_an_iso_and_a_bin_inside_open_as_what_they_are(tmp_path: Path, suffix: str) -> None:
    iso, raw = content(64), raw_volume(40).tobytes()
    (tmp_path / f"a.iso{suffix}").write_bytes(PACKERS[suffix](iso))
    (tmp_path / f"b.bin{suffix}").write_bytes(PACKERS[suffix](raw))
    for path, expected in ((tmp_path / f"a.iso{suffix}", iso), (tmp_path / f"b.bin{suffix}", raw)):
        with open_image(path) as image:
            assert image.format == NAMES[suffix]
            assert identify(path).value == NAMES[suffix]
            assert not image.warnings
            assert stored_bytes(image) == (expected, [])


@pytest.mark.parametrize("suffix", PACKERS)
def test_sectors_are_read_in_any_order_over_many_streams(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_BLOCK", 64 << 10)
    monkeypatch.setattr(streams, "_GAP", 100 << 10)
    monkeypatch.setattr(streams, "_MOST_POINTS", 7)
    data = content(1000)
    packer = PACKERS[suffix]
    cuts = [0, 300_000, 300_001, 700_000, 1_900_000, len(data)]
    parts = [packer(data[a:b]) for a, b in pairwise(cuts)]
    path = tmp_path / f"x.iso{suffix}"
    path.write_bytes(b"".join(parts))
    with open_image(path) as image:
        for lba in (999, 3, 500, 499, 120, 800, 16, 950, 0):
            assert image.read(lba, 1).data.tobytes() == data[lba * 2048 : (lba + 1) * 2048]
        assert stored_bytes(image) == (data, [])


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_stream_cut_short_gives_what_there_is_and_trusts_none_of_it(
    tmp_path: Path, suffix: str
) -> None:
    data = content(2000)
    packed = PACKERS[suffix](data)
    path = tmp_path / f"x.iso{suffix}"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    try:
        image = open_image(path)
    except BadInput as error:
        assert "cannot be unpacked" in str(error)  # noqa: PT017 - bzip2 and zstd have large blocks
        return
    with image:
        found, doubted = stored_bytes(image)
        assert any("damaged after" in str(warning) for warning in image.warnings)
    assert len(doubted) == image.layout.end
    assert found[:1_000_000] == data[: len(found)][:1_000_000]


def test_a_wrong_checksum_makes_every_sector_suspect(tmp_path: Path) -> None:
    data = content(200)
    packed = bytearray(gzip.compress(data))
    packed[-6] ^= 1
    path = tmp_path / "x.iso.gz"
    path.write_bytes(packed)
    with open_image(path) as image:
        assert (image.read(0, 100).states <= SectorState.SUSPECT).all()
        assert any("incorrect data check" in str(warning) for warning in image.warnings)


def test_sectors_behind_the_damage_of_a_gzip_are_failed(tmp_path: Path) -> None:
    data = content(2000)
    packed = bytearray(gzip.compress(data, 6))
    middle = len(packed) // 2
    packed[middle : middle + 3000] = b"\xff" * 3000
    path = tmp_path / "x.iso.gz"
    path.write_bytes(packed)
    with open_image(path) as image:
        assert image.layout.end == 2000, "the last four bytes tell the length"
        assert image.read(1999, 1).states[0] == SectorState.FAILED
        first = image.read(0, 1)
        assert first.states[0] == SectorState.SUSPECT
        assert first.data.tobytes() == data[:2048]


def xz_of_blocks(path: Path, data: bytes) -> bytes:
    """By xz itself, in blocks of 64 KiB."""
    path.write_bytes(data)
    ask("xz", "-k", "-T2", "-1", "--block-size=65536", path)
    return path.with_name(path.name + ".xz").read_bytes()


def test_an_xz_of_blocks_is_read_by_its_index(tmp_path: Path) -> None:
    data = content(500)
    packed = xz_of_blocks(tmp_path / "x.iso", data)
    assert xz.open_blocks(DataFile(tmp_path / "x.iso.xz")) is not None
    with open_image(tmp_path / "x.iso.xz") as image:
        assert image.read(499, 1).data.tobytes() == data[499 * 2048 :]
        assert stored_bytes(image) == (data, [])
    (tmp_path / "y.iso.xz").write_bytes(packed + packed)
    with open_image(tmp_path / "y.iso.xz") as image:
        assert stored_bytes(image) == (data + data, []), "two streams: one after the other"


def test_a_damaged_block_of_xz_costs_its_own_sectors(tmp_path: Path) -> None:
    data = content(500)
    packed = bytearray(xz_of_blocks(tmp_path / "x.iso", data))
    packed[len(packed) // 2] ^= 1
    (tmp_path / "x.iso.xz").write_bytes(packed)
    with open_image(tmp_path / "x.iso.xz") as image:
        found, failed = stored_bytes(image)
    assert len(failed) == 32
    for lba in set(range(500)) - set(failed):
        assert found[lba * 2048 : (lba + 1) * 2048] == data[lba * 2048 : (lba + 1) * 2048]


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_BOMB", 8 << 20)
    path = tmp_path / "x.iso.xz"
    path.write_bytes(lzma.compress(bytes(64 << 20), preset=0))
    with pytest.raises(BadInput, match="no image"):
        open_image(path)


def test_packing_in_packing_is_opened_and_endless_packing_is_not(tmp_path: Path) -> None:
    data = content(40)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(bz2.compress(zstd.compress(data))))
    with open_image(path) as image:
        assert stored_bytes(image) == (data, [])
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(BadInput, match="times over"):
        open_image(path)


def test_what_follows_a_stream_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.iso.gz"
    path.write_bytes(gzip.compress(content(40)) + bytes(512))
    with open_image(path) as image:
        assert not image.warnings, "padding"
    path.write_bytes(gzip.compress(content(40)) + b"something")
    with open_image(path) as image:
        assert any("left out" in str(warning) for warning in image.warnings)


def test_a_sheet_finds_its_packed_bin(tmp_path: Path) -> None:
    raw = raw_volume(40).tobytes()
    (tmp_path / "x.bin.gz").write_bytes(gzip.compress(raw))
    sheet = tmp_path / "x.cue"
    sheet.write_text('FILE "x.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    with open_image(sheet) as image:
        assert stored_bytes(image) == (raw, [])


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_gives_a_sentence_or_an_image(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(sorted(PACKERS)))
    path = tmp_path / f"x.iso{suffix}"
    packed = PACKERS[suffix](content(60))
    if suffix == ".xz" and data.draw(st.booleans()):
        if not (tmp_path / "z.xz").exists():
            xz_of_blocks(tmp_path / "z", content(60))
        packed = (tmp_path / "z.xz").read_bytes()
    path.write_bytes(damaged(data, packed, head=32))
    opens_or_says_why(path)
