# SPDX-License-Identifier: Apache-2.0
"""Images in parts: joined in their order, wherever the cuts are, and never with one missing."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.source import SectorState
from imagerd.formats import identify, open_image
from tests.discs_formats import raw_volume, volume_sectors
from tests.packed_reading import stored_bytes

CONTENT = volume_sectors(60).tobytes()


def parts(folder: Path, names: list[str], size: int, content: bytes = CONTENT) -> list[Path]:
    made = []
    for number, name in enumerate(names):
        made.append(folder / name)
        stop = (number + 1) * size if number + 1 < len(names) else None
        made[-1].write_bytes(content[number * size : stop])
    return made


@pytest.mark.parametrize(
    "names",
    [
        ["x.iso.001", "x.iso.002", "x.iso.003"],
        ["x.000", "x.001"],
        ["x.part1", "x.part2", "x.part3"],
        ["x.PART01", "x.PART02"],
        ["x.i00", "x.i01", "x.i02"],
        ["x.I01", "x.I02"],
    ],
)
def test_parts_by_any_name_are_one_image(tmp_path: Path, names: list[str]) -> None:
    made = parts(tmp_path, names, 50_000)
    assert identify(made[0]).value == "split"
    with open_image(made[0]) as image:
        assert image.files == tuple(made)
        assert not [w for w in image.warnings if "one size" not in str(w)]
        assert stored_bytes(image) == (CONTENT, [])
    with pytest.raises(BadInput, match=f"open {made[0].name}"):
        open_image(made[-1])


@given(st.integers(7_000, len(CONTENT) - 1))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cuts_lie_anywhere_in_a_sector(tmp_path: Path, size: int) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    count = -(-len(CONTENT) // size)
    made = parts(tmp_path, [f"x.{n:03}" for n in range(1, count + 1)], size)
    with open_image(made[0]) as image:
        assert not image.warnings
        assert stored_bytes(image, 7) == (CONTENT, [])


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    made = parts(tmp_path, [f"x.{n:03}" for n in range(1, 6)], 25_000)
    made[2].unlink()
    with pytest.raises(BadInput, match=r"x\.003 is missing"):
        open_image(made[0])


def test_a_shorter_part_is_told(tmp_path: Path) -> None:
    made = parts(tmp_path, [f"x.{n:03}" for n in range(1, 4)], 50_000)
    os.truncate(made[1], 49_000)
    with open_image(made[0]) as image:
        assert any("one size" in str(warning) for warning in image.warnings)


def test_a_missing_last_part_fails_its_sectors_by_the_volume(tmp_path: Path) -> None:
    made = parts(tmp_path, [f"x.iso.{n:03}" for n in range(1, 4)], 50_000)
    made[2].unlink()
    with open_image(made[0]) as image:
        assert any("cut short" in str(warning) for warning in image.warnings)


def test_parts_may_be_packed_and_hold_raw_sectors(tmp_path: Path) -> None:
    raw = raw_volume(50).tobytes()
    packed = gzip.compress(raw)
    made = parts(tmp_path, ["x.bin.gz.001", "x.bin.gz.002"], len(packed) // 2, packed)
    with open_image(made[0]) as image:
        assert stored_bytes(image) == (raw, [])


def test_a_link_out_of_the_folder_is_no_part(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    made = parts(folder, ["x.001", "x.002"], 50_000)
    made[1].rename(tmp_path / "y")
    made[1].symlink_to(tmp_path / "y")
    with pytest.raises(BadInput, match="outside its folder"):
        open_image(made[0])


def test_a_part_that_shrinks_fails_its_own_sectors_only(tmp_path: Path) -> None:
    made = parts(tmp_path, [f"x.{n:03}" for n in range(1, 4)], 20 * 2048)
    with open_image(made[0]) as image:
        os.truncate(made[1], 10 * 2048)
        found, failed = stored_bytes(image)
        assert failed == list(range(30, 40))
        assert found[40 * 2048 :] == CONTENT[40 * 2048 :]
        assert image.read(29, 5).states.tolist() == [SectorState.READ] + [SectorState.FAILED] * 4


def test_two_discs_numbered_are_two_images(tmp_path: Path) -> None:
    first, second = tmp_path / "disc.001", tmp_path / "disc.002"
    first.write_bytes(CONTENT)
    second.write_bytes(CONTENT)
    for path in (first, second):
        with open_image(path) as image:
            assert image.format == "iso"
            assert image.layout.end == 60


def test_one_part_alone_is_what_is_in_it(tmp_path: Path) -> None:
    (made,) = parts(tmp_path, ["x.001"], len(CONTENT))
    assert identify(made).value == "iso"
