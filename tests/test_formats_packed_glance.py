# SPDX-License-Identifier: Apache-2.0
"""What a packed stream says of its length, taken at its word, and what never is."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.disc.source import SectorState
from imagerd.formats import open_image
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.packed import lengths
from tests.discs_formats import raw_volume, volume_sectors
from tests.judges import ask
from tests.packed_reading import damaged
from tests.sources import data, memory_disc
from tests.toolkit_images import write_cue

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: zstd.compress(
        content, options={zstd.CompressionParameter.checksum_flag: 1}
    ),
}
LENGTHS = {".gz": lengths.of_gzip, ".xz": lengths.of_xz, ".zst": lengths.of_zstd}


def glanced(path: Path) -> ExtentImage:
    image = open_image(path, glance=True)
    assert isinstance(image, ExtentImage)
    return image


def length_of(folder: Path, suffix: str, packed: bytes) -> int | None:
    path = folder / f"length{suffix}"
    path.write_bytes(packed)
    file = DataFile(path)
    try:
        return LENGTHS[suffix](file)
    finally:
        file.close()


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("raw", [False, True])
def test_a_glance_shows_the_same_disc_and_vouches_for_no_sector(
    tmp_path: Path, suffix: str, raw: bool
) -> None:
    content = raw_volume(80).tobytes() if raw else volume_sectors(80).tobytes()
    path = tmp_path / f"a.{'bin' if raw else 'iso'}{suffix}"
    path.write_bytes(PACKERS[suffix](content))
    with glanced(path) as image, open_image(path) as proven:  # type: ignore[attr-defined]
        assert image.layout == proven.layout
        assert (image.format, image.warnings) == (proven.format, proven.warnings)
        assert [packing.claimed for packing in image.packings] == [True]
        assert [packing.claimed for packing in proven.packings] == [False]
        assert image.packings[0].size == len(content)
        block, same = image.read(0, 80), proven.read(0, 80)
        assert (block.data == same.data).all()
        assert (block.states == SectorState.SUSPECT).all()
        assert (same.states == SectorState.READ).all()


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_data_file_of_a_sheet_is_glanced_at_too(tmp_path: Path, suffix: str) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(60)]))
    plain = sheet.with_suffix(".bin")
    (tmp_path / f"{plain.name}{suffix}").write_bytes(PACKERS[suffix](plain.read_bytes()))
    plain.unlink()
    with glanced(sheet) as image:
        assert [packing.claimed for packing in image.packings] == [True]
        assert image.layout.sectors == 60


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_glance_does_not_see_damage_and_opening_does(tmp_path: Path, suffix: str) -> None:
    content = volume_sectors(400)
    packed = bytearray(PACKERS[suffix](content.tobytes()))
    packed[len(packed) // 2] ^= 0x55
    path = tmp_path / f"a.iso{suffix}"
    path.write_bytes(packed)
    with glanced(path) as image:
        assert image.layout.sectors == 400
        assert not image.warnings
        assert (image.read(16, 1).states == SectorState.SUSPECT).all()
    with open_image(path) as proven:  # type: ignore[attr-defined]
        assert proven.warnings


def test_bzip2_has_no_word_to_take(tmp_path: Path) -> None:
    import bz2

    path = tmp_path / "a.iso.bz2"
    path.write_bytes(bz2.compress(volume_sectors(64).tobytes()))
    with glanced(path) as image:
        assert [packing.claimed for packing in image.packings] == [False]
        assert (image.read(16, 1).states == SectorState.READ).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parts=st.lists(st.integers(0, 3).map(lambda n: b"ab" * (n * 1024)), min_size=1, max_size=4),
    suffix=st.sampled_from([".xz", ".zst"]),
    padding=st.sampled_from([0, 4, 64]),
)
def test_streams_one_behind_the_other_are_added_up(
    tmp_path: Path, parts: list[bytes], suffix: str, padding: int
) -> None:
    packed = b"".join(PACKERS[suffix](part) for part in parts)
    whole = sum(len(part) for part in parts)
    if suffix == ".xz":
        packed += bytes(padding)
    assert length_of(tmp_path, suffix, packed) == (whole or None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), suffix=st.sampled_from(list(PACKERS)))
def test_damaged_streams_say_a_length_or_nothing(
    tmp_path: Path, data: st.DataObject, suffix: str
) -> None:
    packed = PACKERS[suffix](volume_sectors(24).tobytes())
    said = length_of(tmp_path, suffix, damaged(data, packed, head=len(packed)))
    assert said is None or said > 0


@pytest.mark.parametrize(
    ("suffix", "cut"), [(".xz", slice(None, -1)), (".zst", slice(None, -1)), (".zst", slice(-7))]
)
def test_what_is_cut_short_has_no_length(tmp_path: Path, suffix: str, cut: slice) -> None:
    packed = PACKERS[suffix](volume_sectors(24).tobytes())
    assert length_of(tmp_path, suffix, packed) == 24 * 2048
    assert length_of(tmp_path, suffix, packed[cut]) is None


def test_no_length_is_taken_of_gzip_that_cannot_be_that_of_a_disc(tmp_path: Path) -> None:
    noise = zlib.compress(bytes(range(256)), 0) * 700  # cannot be packed, and not whole sectors
    assert length_of(tmp_path, ".gz", gzip.compress(noise)) is None
    block = bytes(2048)
    assert length_of(tmp_path, ".gz", gzip.compress(block) + gzip.compress(b"")) is None


def test_a_gzip_of_more_than_4_gib_is_as_long_as_it_must_be(tmp_path: Path) -> None:
    # Its length is kept modulo 2**32; a file that large cannot hold less than it does.
    path = tmp_path / "large.iso.gz"
    size = (1 << 32) + 2048 * 5
    with path.open("wb") as stream:
        stream.write(b"\x1f\x8b\x08")
        stream.truncate(size + size // 10_000)
        stream.seek(0, 2)
        stream.write((size % (1 << 32)).to_bytes(4, "little"))
    file = DataFile(path)
    assert lengths.of_gzip(file) == size
    file.close()


def test_the_lengths_are_those_that_the_programs_list(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(volume_sectors(600).tobytes())
    ask("xz", "-k", "-T2", "--block-size=100KiB", path)
    lines = ask("xz", "--robot", "-l", f"{path}.xz").splitlines()
    totals = next(line.split("\t") for line in lines if line.startswith("totals"))
    file = DataFile(Path(f"{path}.xz"))
    assert lengths.of_xz(file) == int(totals[4]) == 600 * 2048
    file.close()
    ask("zstd", "-q", "-k", path)
    file = DataFile(Path(f"{path}.zst"))
    assert lengths.of_zstd(file) == 600 * 2048
    file.close()
    ask("gzip", "-k", path)
    listed = ask("gzip", "-l", f"{path}.gz").split()
    file = DataFile(Path(f"{path}.gz"))
    assert lengths.of_gzip(file) == int(listed[5]) == 600 * 2048
    file.close()


def test_a_frame_of_zstd_without_a_length_has_none(tmp_path: Path) -> None:
    packer = zstd.ZstdCompressor()
    packed = packer.compress(volume_sectors(24).tobytes()) + packer.flush()
    assert length_of(tmp_path, ".zst", packed) is None


def test_sectors_in_a_doubtful_stream_are_doubtful_whatever_lies_between(tmp_path: Path) -> None:
    from imagerd.base.progress import run
    from imagerd.formats import write_image

    (tmp_path / "a.iso").write_bytes(volume_sectors(64).tobytes())
    with open_image(tmp_path / "a.iso") as image:  # type: ignore[attr-defined]
        run(write_image(image, tmp_path / "a.cso"))
    packed = bytearray(gzip.compress((tmp_path / "a.cso").read_bytes()))
    packed[-8] ^= 1  # its CRC-32
    (tmp_path / "a.cso.gz").write_bytes(packed)
    with open_image(tmp_path / "a.cso.gz") as image:  # type: ignore[attr-defined]
        assert (image.read(16, 4).states == SectorState.SUSPECT).all()
