# SPDX-License-Identifier: Apache-2.0
"""What other people's programs claim of their images is judged as they said it, no better."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.recovery import claims, real
from benchmarks.recovery.bench import Held, Marks, right_rows
from benchmarks.recovery.discs import SMALL, Disc, image_of, small_discs
from imagerd.recovery.mapfile import Block, MapFile, Status, read_mapfile, write_mapfile
from tests.judges import judge

COUNT = 100


def bad_of(good: Marks) -> set[int]:
    return set(np.flatnonzero(~good).tolist())


def program(name: str) -> real.Program:
    return next(each for each in real.PROGRAMS if each.name.startswith(name))


def image(folder: Path, sectors: int, size: int = 2048) -> None:
    (folder / "copy").write_bytes(bytes(sectors * size))


# -- ddrescue ---------------------------------------------------------------------------------


def test_a_sector_that_is_finished_in_part_is_not_claimed() -> None:
    blocks = (
        Block(0, 2048 * 3 + 512, Status.FINISHED),
        Block(2048 * 3 + 512, 2048, Status.BAD),
        Block(2048 * 4 + 512, 2048 * 90, Status.FINISHED),
    )
    good = claims.by_mapfile(MapFile(blocks), COUNT, 2048)
    assert bad_of(good) == {3, 4, *range(94, 100)}


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=COUNT))
def test_only_plus_is_claimed_as_ddrescuelog_counts_it(
    states: list[Status],
) -> None:
    blocks = MapFile(tuple(Block(n * 2048, 2048, state) for n, state in enumerate(states)))
    good = claims.by_mapfile(blocks, COUNT, 2048)
    assert np.flatnonzero(good).tolist() == [n for n, s in enumerate(states) if s == "+"]


def test_what_ddrescuelog_lists_as_finished_is_what_is_claimed(tmp_path: Path) -> None:
    path = tmp_path / "map"
    states = [Status.FINISHED] * 5 + [Status.BAD] * 2 + [Status.FINISHED] + [Status.NON_SCRAPED]
    write_mapfile(path, (Block(n * 2048, 2048, state) for n, state in enumerate(states)))
    command = [judge("ddrescuelog"), "--list-blocks=+", "--block-size=2048", str(path)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    good = claims.by_mapfile(read_mapfile(path), COUNT, 2048)
    assert np.flatnonzero(good).tolist() == [int(block) for block in listed]


def test_without_a_map_ddrescue_claims_nothing(tmp_path: Path) -> None:
    image(tmp_path, COUNT)
    assert not program("ddrescue").judge(tmp_path, COUNT).good.any()


# -- lists ------------------------------------------------------------------------------------

STAGES = st.lists(
    st.lists(st.integers(0, COUNT - 1), unique=True).map(sorted), min_size=1, max_size=3
)


def lines(blocks: list[int]) -> str:
    return "".join(f"{block}\n" for block in blocks)


@given(STAGES)
def test_the_last_whole_stage_of_safecopy_decides(stages: list[list[int]]) -> None:
    good = claims.by_stages([lines(blocks) for blocks in stages], COUNT, aborted=False)
    assert bad_of(good) == set(stages[-1])


def test_behind_the_end_of_an_aborted_stage_the_list_before_holds() -> None:
    lists = ["3\n4\n5\n60\n70\n", "3\n5\n"]
    assert bad_of(claims.by_stages(lists, COUNT, aborted=True)) == {3, 5, 60, 70}
    assert bad_of(claims.by_stages([lists[0], ""], COUNT, aborted=True)) == {3, 4, 5, 60, 70}


def test_what_lies_behind_the_image_does_not_count() -> None:
    assert bad_of(claims.by_stages(["99\n100\n5000\n"], COUNT, aborted=False)) == {99}


def test_safecopy_that_was_interrupted_claims_neither_list(tmp_path: Path) -> None:
    image(tmp_path, COUNT + 20)
    (tmp_path / "stage1.badblocks").write_text("7\n8\n50\n")
    (tmp_path / "stage2.badblocks").write_text("8\n")
    (tmp_path / real.LOG).write_text("…\nAborted by user request!\n")
    assert bad_of(program("safecopy").judge(tmp_path, COUNT).good) == {8, 50}


# -- what is printed --------------------------------------------------------------------------


def test_readom_claims_what_it_wrote_less_what_it_could_not_correct(tmp_path: Path) -> None:
    image(tmp_path, 60)
    (tmp_path / real.LOG).write_text(
        "readom: Retrying from sector 16.\n"
        "readom: Error on sector 17 corrected after 6 tries. Total of 0 errors.\n"
        "readom: Error on sector 18 not corrected. Total of 1 errors.\n"
    )
    assert bad_of(program("readom").judge(tmp_path, COUNT).good) == {18, *range(60, 100)}


def test_cdrdao_claims_all_but_its_l_ec_errors(tmp_path: Path) -> None:
    image(tmp_path, COUNT, 2352)
    (tmp_path / real.LOG).write_text("Found L-EC error at sector 12 - ignored.\n")
    assert bad_of(program("cdrdao read-cd --read-raw").judge(tmp_path, COUNT).good) == {12}


def test_a_skip_of_cd_paranoia_takes_away_the_sectors_it_was_filled_over(tmp_path: Path) -> None:
    image(tmp_path, COUNT, 2352)
    (tmp_path / real.LOG).write_text(
        f"##: -2 [wrote] @ {1176 * 5}\n"
        f"##: 6 [skip] @ {1176 * 10}\n"
        f"##: 6 [skip] @ {1176 * 20 + 3}\n"
        f"##: 12 [readerr] @ {1176 * 40}\n"
    )
    assert bad_of(program("cd-paranoia").judge(tmp_path, COUNT).good) == {10, 11, 20, 21, 22}


def test_a_program_that_wrote_nothing_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / real.LOG).write_text("no such drive\n")
    for each in real.PROGRAMS:
        held = each.judge(tmp_path, COUNT)
        assert len(held.rows) == COUNT
        assert not held.good.any(), each.name


# -- the truth --------------------------------------------------------------------------------


def test_a_wrong_byte_that_is_claimed_is_told_as_wrong(tmp_path: Path) -> None:
    disc = next(small_discs())
    data = image_of(disc.content, tmp_path, SMALL).with_suffix(".bin")
    raw = np.fromfile(data, np.uint8).reshape(-1, 2352)
    user = raw[:, 16:2064].copy()
    user[5, 100] ^= 1
    held = Held(user, np.arange(SMALL) < 10)
    right = right_rows(disc, tmp_path, held.rows)
    assert np.flatnonzero(held.good & ~right).tolist() == [5]
    assert np.count_nonzero(held.good & right) == 9


def test_every_small_disc_is_hurt_and_has_its_own_damage() -> None:
    found: list[Disc] = list(small_discs())
    assert len({disc.plan for disc in found}) == len(found)
    for disc in found:
        assert disc.faults.surface, disc.name
