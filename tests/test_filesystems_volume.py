# SPDX-License-Identifier: Apache-2.0
"""What names a volume is found on any disc, whole or damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.layout import SectorFormat, TrackMode, single_track
from imagerd.disc.source import Bytes2D, Sectors, SectorState
from imagerd.filesystems.volume import VolumeInfo, volume_id
from imagerd.formats import open_image
from imagerd.sectors import convert
from tests.discs_formats import MemorySource, volume_sectors
from tests.judges import ask

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "isolyzer"


class BlockSource:
    """Blocks of 2048 bytes in memory, those in `failed` unreadable."""

    def __init__(self, blocks: Bytes2D, failed: tuple[int, ...] = ()) -> None:
        self.blocks = blocks
        self.failed = failed
        self.layout = single_track(len(blocks), TrackMode.MODE1, stored=SectorFormat.USER)

    def read(self, lba: int, count: int) -> Sectors:
        block = Sectors.good(lba, self.blocks[lba : lba + count], SectorFormat.USER)
        for row in range(len(block)):
            if lba + row in self.failed:
                block.states[row] = SectorState.FAILED
        return block

    def close(self) -> None:
        pass


def put(blocks: Bytes2D, number: int, at: int, data: bytes) -> None:
    blocks[number, at : at + len(data)] = np.frombuffer(data, np.uint8)


def test_an_iso_9660_volume_tells_its_id_and_size() -> None:
    info = volume_id(BlockSource(volume_sectors(40)))
    assert info == VolumeInfo(volume_id="A VOLUME", blocks=40, iso9660=True)


def test_raw_mode_1_and_mode_2_discs_are_read_alike() -> None:
    for mode in (TrackMode.MODE1, TrackMode.MODE2):
        source = MemorySource(single_track(40, mode))
        source.tracks[1] = convert.to_raw(volume_sectors(40), SectorFormat.USER, mode, 0)
        info = volume_id(source)
        assert info is not None
        assert info.volume_id == "A VOLUME"


def test_audio_and_noise_have_no_volume() -> None:
    assert volume_id(MemorySource(single_track(40, TrackMode.AUDIO))) is None
    assert volume_id(MemorySource(single_track(40, TrackMode.MODE1))) is None
    assert volume_id(MemorySource(single_track(2, TrackMode.MODE1))) is None


def test_unreadable_descriptors_count_as_absent() -> None:
    assert volume_id(BlockSource(volume_sectors(40), failed=(16,))) is None
    blocks = volume_sectors(40)
    blocks[17] = blocks[16]  # some discs hold it twice
    info = volume_id(BlockSource(blocks, failed=(16,)))
    assert info is not None
    assert info.volume_id == "A VOLUME"


def test_a_high_sierra_volume_is_one_too() -> None:
    blocks = np.zeros((40, 2048), np.uint8)
    put(blocks, 16, 8, b"\1CDROM\1")
    put(blocks, 16, 48, b"OLD DISC".ljust(32))
    put(blocks, 16, 88, (40).to_bytes(4, "little"))
    put(blocks, 16, 214 + 128, b"A PUBLISHER".ljust(128))
    put(blocks, 16, 790, b"1986052812000000")
    info = volume_id(BlockSource(blocks))
    assert info is not None
    assert (info.volume_id, info.publisher_id, info.blocks) == ("OLD DISC", "A PUBLISHER", 40)
    assert info.created == datetime(1986, 5, 28, 12, tzinfo=UTC)


@given(data=st.binary(min_size=2048, max_size=2048), at=st.sampled_from([0, 16, 17, 18]))
def test_any_bytes_are_survived(data: bytes, at: int) -> None:
    blocks = volume_sectors(40)
    put(blocks, at, 0, data)
    volume_id(BlockSource(blocks))
    put(blocks, at, 0, b"\1CD001")
    put(blocks, 0, 512, b"PM")
    volume_id(BlockSource(blocks))


def test_what_xorriso_makes_is_told_right(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    date = "--modification-date=2024022912345600"
    names = ("-V", "REAL", "-publisher", "SOMEONE", "-A", "AN APP", "-volset", "A SET", "-J")
    ask("xorriso", "-as", "mkisofs", *names, date, "-o", "a.iso", "tree", cwd=tmp_path)
    image = open_image(tmp_path / "a.iso")
    info = volume_id(image)
    image.close()
    assert info is not None
    assert (info.volume_id, info.publisher_id, info.application_id, info.volume_set_id) == (
        "REAL", "SOMEONE", "AN APP", "A SET"
    )  # fmt: skip
    assert info.modified == datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC)
    assert (info.iso9660, info.joliet, info.udf) == (True, True, False)
    assert info.blocks * 2048 <= (tmp_path / "a.iso").stat().st_size


def test_udf_is_noted_beside_iso_9660(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    ask("genisoimage", "-quiet", "-udf", "-V", "BRIDGE", "-o", "a.iso", "tree", cwd=tmp_path)
    image = open_image(tmp_path / "a.iso")
    info = volume_id(image)
    image.close()
    assert info is not None
    assert (info.volume_id, info.iso9660, info.udf) == ("BRIDGE", True, True)


@pytest.mark.parametrize(
    ("name", "volume", "systems"),
    [
        ("hfs.iso", "HFS", "hfs"),
        ("hfsplus.iso", "", "hfs"),
        ("is9660_udf_imgburn.iso", "TEST_IMGBURN", "iso9660 joliet udf"),
        ("iso9660.iso", "ISO9660 only", "iso9660 joliet"),
        ("iso9660_hfs.iso", "ISO9660/HFS", "iso9660 joliet hfs"),
        ("iso9660_hfs_part.iso", "ISO9660/HFS/part_table", "iso9660 joliet hfs"),
        ("iso9660_hfs_part_wrongblksize.iso", "ISO9660/HFS/part_table", "iso9660 joliet hfs"),
        ("iso9660_nopvd.iso", None, ""),
        ("iso9660_trunc.iso", "ISO9660 only", "iso9660 joliet"),
        ("iso9660_udf_hfs.iso", "UDF Bridge", "iso9660 joliet udf hfs"),
        ("udf.iso", "LinuxUDF", "udf"),
    ],
)
def test_samples_of_others_are_told_right(name: str, volume: str | None, systems: str) -> None:
    if not (SAMPLES / name).exists():
        pytest.skip(f"no {SAMPLES / name}")
    image = open_image(SAMPLES / name)
    info = volume_id(image)
    image.close()
    if volume is None:
        assert info is None
        return
    assert info is not None
    assert info.volume_id == volume
    flags = ("iso9660", "joliet", "udf", "hfs")
    assert " ".join(flag for flag in flags if getattr(info, flag)) == systems


def test_a_time_zone_is_kept() -> None:
    blocks = volume_sectors(40)
    put(blocks, 16, 813, b"2022040720311300\x08")
    info = volume_id(BlockSource(blocks))
    assert info is not None
    assert info.created == datetime(2022, 4, 7, 20, 31, 13, tzinfo=timezone(timedelta(hours=2)))
