# SPDX-License-Identifier: Apache-2.0
"""Subchannel and structure on the whole way: what a drive gave is in the archive, unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imagerd.disc.source import Bytes2D
from imagerd.formats.sbi import parse_sbi
from imagerd.recovery.report import read_report
from imagerd.sectors.subchannel import interleave, q_crc_ok, q_of
from tests.path_way import Archived, way
from tests.protected_discs import kept_q
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.test_recovery_oddq import SINGLES, protected

SUB = "keep_subchannel = true\n"


def sub_beside(done: Archived, suffix: str) -> Bytes2D:
    raw = np.fromfile(done.main.with_suffix(suffix), np.uint8)
    return interleave(raw.reshape(-1, 96))


def damaged() -> tuple[MemorySource, Bytes2D]:
    """A disc of which Q reads badly here and there, with frames that were made wrong."""
    disc = protected(SINGLES)
    rng = np.random.default_rng(1)
    for row in range(5, 2000, 50):
        if not any(abs(row - lba) < 2 for lba in SINGLES):
            disc.raw[1][row, 2352 + rng.choice(96, 3, replace=False)] ^= 0x40
    return disc, disc.raw[1][:, 2352:]


def test_the_raw_goes_out_unchanged_and_the_repaired_only_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    disc, raw = damaged()
    with way(tmp_path / "one", SUB) as there:
        done = there.archive(disc)
        assert np.array_equal(sub_beside(done, ".sub"), raw)
        assert not done.main.with_suffix(".repaired.sub").exists()
    with way(tmp_path / "two", SUB + "repair_subchannel = true") as there:
        done = there.archive(disc)
        assert np.array_equal(sub_beside(done, ".sub"), raw)
        mended = sub_beside(done, ".repaired.sub")
    assert np.array_equal(mended, protected(SINGLES).raw[1][:, 2352:])
    assert np.flatnonzero(~q_crc_ok(q_of(mended))).tolist() == SINGLES
    names = {file.path for file in done.image.files}
    assert f"{done.main.stem}.repaired.sub" in names, "the catalog knows it"


def test_frames_made_wrong_are_listed_and_come_as_an_sbi(tmp_path: Path) -> None:
    disc, _ = damaged()
    with way(tmp_path) as there:
        done = there.archive(disc)
    structure = done.report.structure
    assert structure is not None
    assert [(bad.lba, bytes.fromhex(bad.q + bad.crc)) for bad in structure.bad_q] == [
        (lba, kept_q(lba)) for lba in SINGLES
    ]
    assert {bad.rereads for bad in structure.bad_q} == {2}
    assert structure.bad_q[0].msf == "00:15:25"
    told = parse_sbi(done.main.with_suffix(".sbi").read_bytes())
    assert told == tuple((lba, 1, kept_q(lba)[:10]) for lba in SINGLES)
    digests = done.main.with_suffix(".sha256").read_text()
    assert ".sbi" in digests


def test_q_that_reads_badly_makes_no_sbi(tmp_path: Path) -> None:
    clean = protected([])
    clean.raw[1][5::50, 2352 + 40] ^= 0x40
    with way(tmp_path) as there:
        done = there.archive(clean)
    assert not done.main.with_suffix(".sbi").exists()
    assert done.report.structure is not None
    assert done.report.structure.bad_q == []


@pytest.mark.parametrize("profile", ["plain", "plextor", "c2-294", "swapped"])
def test_the_report_has_indexes_and_numbers_and_reads_back(tmp_path: Path, profile: str) -> None:
    disc = memory_disc(
        [audio(400, indexes=(100,)), audio(400, 75, isrc="QZIMG2600001"), data(300)],
        mcn="4006381333931",
    )
    with way(tmp_path) as there:
        done = there.archive(disc, profile=profile)
    report = done.report
    assert read_report(done.main.with_suffix(".json")) == report
    assert report.structure is not None
    told = [(i.track, i.index, i.toc, i.q) for i in report.structure.indexes]
    assert told == [
        (1, 1, 0, 0), (1, 2, None, 100), (2, 0, None, 400), (2, 1, 475, 475), (3, 1, 800, 800),
    ]  # fmt: skip
    assert [(n.track, n.used, n.sound) for n in report.structure.numbers] == [
        (None, "4006381333931", True),
        (2, "QZIMG2600001", True),
    ]


def test_a_dvd_has_no_such_structure(tmp_path: Path) -> None:
    with way(tmp_path) as there:
        done = there.archive(memory_blocks(300))
    assert done.report.structure is None
