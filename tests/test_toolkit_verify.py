# SPDX-License-Identifier: Apache-2.0
"""Verifying: each planted fault is found at its place under its name, and nothing else is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, run
from imagerd.disc.layout import (
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.ranges import Extent
from imagerd.disc.source import SectorSource
from imagerd.formats import open_image, rawform
from imagerd.toolkit.checked import CheckedSource
from imagerd.toolkit.checksums import (
    ChecksumFile,
    Expected,
    Outcome,
    parse_digest,
    read_checksum_file,
)
from imagerd.toolkit.prove import SectorsVerdict, TrackVerdict, prove, reopener
from imagerd.toolkit.verify import VerifyResult, verify, verify_files
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.toolkit_images import volume, write_cue, write_iso

MIXED = (data(60), audio(30, pregap=10), data(40, TrackMode.MODE2, form2=3))


def proven(disc: SectorSource) -> SectorsVerdict:
    return run(prove(disc))


def places(extent: Extent) -> set[int]:
    return {lba for area in extent.ranges for lba in area}


def adds_up(track: TrackVerdict) -> bool:
    return track.sectors == track.good + track.unproven + track.not_computed + track.bad


def test_a_good_disc_proves_its_data_and_says_what_audio_cannot() -> None:
    result = proven(memory_disc(MIXED))
    assert result.ok
    assert result.sectors == 130
    assert result.proven == 100
    assert [track.good for track in result.tracks] == [60, 0, 40]
    assert result.tracks[1].unproven == 30
    assert "nothing to prove" in result.tracks[1].remark
    assert all(adds_up(track) for track in result.tracks)


@settings(max_examples=40, deadline=None)
@given(
    edc=st.sets(st.integers(0, 19), max_size=5),
    parity=st.sets(st.integers(20, 39), max_size=5),
    header=st.sets(st.integers(40, 59), max_size=5),
    lost=st.sets(st.integers(0, 129), max_size=5),
)
def test_each_fault_is_found_under_its_name(
    edc: set[int], parity: set[int], header: set[int], lost: set[int]
) -> None:
    disc = memory_disc(MIXED, bad=frozenset(lost))
    rows = disc.raw[1]
    rows[sorted(edc), 100] ^= 1
    rows[sorted(parity), 2100] ^= 1
    rows[sorted(header), 14] ^= 1
    result = proven(disc)
    track = result.tracks[0]
    assert places(track.wrong_edc) == edc - lost
    assert places(track.wrong_parity) == parity - lost
    assert places(track.wrong_header) == header - lost
    found = {lba for track in result.tracks for lba in places(track.unreadable)}
    assert found == lost
    assert result.ok is not bool(edc | parity | header | lost)
    assert all(adds_up(track) for track in result.tracks)


@pytest.mark.parametrize("fill", [0x00, 0x55, 0xFF])
def test_filling_is_never_taken_for_data(fill: int) -> None:
    disc = memory_disc([data(30)])
    disc.raw[1][7:9] = fill
    assert places(proven(disc).tracks[0].wrong_header) == {7, 8}


def test_a_sector_of_another_place_is_found() -> None:
    disc = memory_disc([data(30)])
    disc.raw[1][7] = disc.raw[1][8]
    assert places(proven(disc).tracks[0].wrong_header) == {7}


def test_a_form_2_sector_without_edc_is_not_computed_and_no_fault() -> None:
    disc = memory_disc([data(32, TrackMode.MODE2, form2=4)])
    disc.raw[1][0:4, 2348:] = 0
    result = proven(disc)
    assert result.ok
    assert result.tracks[0].not_computed == 4
    assert result.tracks[0].good == 28


def test_sectors_of_2336_bytes_still_prove_their_edc() -> None:
    disc = memory_disc([data(32, TrackMode.MODE2, form2=4, stored=SectorFormat.MODE2)])
    assert proven(disc).tracks[0].good == 32
    disc.raw[1][5, 1000] ^= 1
    assert places(proven(disc).tracks[0].wrong_edc) == {5}


@pytest.mark.parametrize(
    "disc", [memory_blocks(50), memory_disc([data(50, stored=SectorFormat.USER)])]
)
def test_2048_byte_sectors_are_said_to_carry_no_proof(disc: MemorySource) -> None:
    result = proven(disc)
    assert result.ok
    assert result.proven == 0
    assert "2048 bytes carry no proof" in result.tracks[0].remark


def test_neighbouring_faults_are_one_range_across_blocks() -> None:
    disc = memory_disc([data(5000)])
    disc.raw[1][4000:4200, 50] ^= 1
    assert proven(disc).tracks[0].wrong_edc == Extent(200, (range(4000, 4200),))


def test_progress_reaches_its_total() -> None:
    seen: list[Progress] = []
    run(prove(memory_disc(MIXED)), seen.append)
    assert seen[0].done == 0
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert seen[-1].done == seen[-1].total == 130 * 2352


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    disc = memory_disc((data(9000), audio(20), data(70)))
    disc.raw[1][4090:4100, 99] ^= 1
    disc.raw[3][3, 99] ^= 1
    path = write_cue(tmp_path, disc)
    with closing(open_image(path)) as image:
        alone = run(prove(image))
        crew = run(prove(image, workers=2, reopen=reopener(path)))
    assert crew == alone
    assert not alone.ok


def test_a_workers_error_arrives_as_itself(tmp_path: Path) -> None:
    path = write_cue(tmp_path, memory_disc((data(50),)))
    gone = reopener(tmp_path / "gone.cue")
    with closing(open_image(path)) as image, pytest.raises(BadInput, match=r"gone\.cue"):
        run(prove(image, workers=2, reopen=gone))


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    import multiprocessing

    path = write_cue(tmp_path, memory_disc((data(20000),)))
    with closing(open_image(path)) as image:
        task = prove(image, workers=2, reopen=reopener(path))
        next(task)
        next(task)
        task.close()
    assert not multiprocessing.active_children()


def verified(
    path: Path, *, expected: Sequence[Expected] = (), lists: Sequence[ChecksumFile] = ()
) -> VerifyResult:
    with closing(open_image(path)) as image:
        return run(verify(image, files=image.files, expected=expected, lists=lists))


def test_a_truncated_image_has_its_missing_sectors_listed(tmp_path: Path) -> None:
    path = write_cue(tmp_path, memory_disc((data(60), data(40))), split=True)
    second = tmp_path / "disc (Track 1).bin"
    second.write_bytes(second.read_bytes()[: 50 * 2352])
    result = verified(path)
    # What a sheet of several files lacks at a file's end it cannot know: the tracks move up.
    assert not result.sectors.ok
    assert places(result.sectors.tracks[1].wrong_header)


def test_the_size_that_a_volume_claims_is_checked(tmp_path: Path) -> None:
    good = verified(write_iso(tmp_path, volume(40), "good"))
    assert good.ok
    assert good.volume is not None
    assert (good.volume.claimed, good.volume.volume) == (40, "VOLUME")
    short = verified(write_iso(tmp_path, volume(40, claimed=60), "short"))
    assert not short.ok
    assert short.volume is not None
    assert "20 more than there are" in short.volume.sentence


def test_a_disc_without_volume_has_no_verdict_on_it(tmp_path: Path) -> None:
    assert verified(write_cue(tmp_path, memory_disc(MIXED[:2]))).volume is None


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_digests_given_are_looked_for_among_files_tracks_and_disc(
    tmp_path: Path, algorithm: str
) -> None:
    disc = memory_disc(MIXED)
    path = write_cue(tmp_path, disc)
    whole = hashlib.new(algorithm, (tmp_path / "disc.bin").read_bytes()).hexdigest()
    track = hashlib.new(algorithm, disc.raw[2].tobytes()).hexdigest()
    result = verified(path, expected=[parse_digest(whole), parse_digest(track)])
    assert [(item.name, item.outcome) for item in result.hashes] == [
        ("disc.bin", Outcome.MATCH),
        ("track 2", Outcome.MATCH),
    ]
    wrong = verified(path, expected=[parse_digest(whole[::-1])])
    assert not wrong.ok
    assert wrong.hashes[0].outcome is Outcome.MISMATCH


def test_a_list_of_checksums_counts_for_the_images_files(tmp_path: Path) -> None:
    path = write_cue(tmp_path, memory_disc(MIXED[:1]))
    good = hashlib.sha256((tmp_path / "disc.bin").read_bytes()).hexdigest()
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{good}  disc.bin\n{'0' * 64}  other.iso\n")
    result = verified(path, lists=[read_checksum_file(sums)])
    assert result.ok
    assert len(result.hashes) == 1
    assert not run(verify_files(read_checksum_file(sums))).ok
    other = write_cue(tmp_path, memory_disc(MIXED[:1]), "stranger")
    with pytest.raises(BadInput, match="none of the image's files"):
        verified(other, lists=[read_checksum_file(sums)])


def test_a_pregap_that_the_toc_does_not_tell_is_no_damage() -> None:
    disc = memory_disc([data(60), audio(40)])
    disc.raw[1][45:] = 0
    result = proven(disc)
    assert result.ok
    assert result.tracks[0].good == 45
    assert "last 15 sectors" in result.tracks[0].remark
    disc.raw[1][44:] = disc.raw[1][:16]  # data of another place is damage there, too
    disc.raw[1][30] = 0
    assert 30 in places(proven(disc).tracks[0].wrong_header)


def test_missing_sync_before_a_known_pregap_is_damage() -> None:
    disc = memory_disc([data(60), audio(40, pregap=10)])
    disc.raw[1][55:] = 0
    assert places(proven(disc).tracks[0].wrong_header) == set(range(55, 60))


def test_sectors_beyond_what_msf_can_name_are_proven_by_their_edc() -> None:
    """A GD-ROM ends at LBA 549150; 99:59:74 is 449849."""
    start, count = 449_000, 1500
    track = Track(1, 1, TrackMode.MODE1, (Index(1, start),), start + count)
    layout = Layout(Medium.CD, (Session(1, (track,), start + count),))
    user = np.random.default_rng(1).integers(0, 256, (count, 2048), np.uint8)
    raw = rawform.to_raw(user, SectorFormat.USER, TrackMode.MODE1, start)
    disc = MemorySource(layout, {1: raw})
    assert run(verify(disc)).ok
    raw[1400, 100] ^= 1
    assert run(verify(disc)).sectors.tracks[0].wrong_edc.ranges == (range(450_400, 450_401),)
    checked = CheckedSource(disc, repair=True)
    assert checked.read(450_000, 500).data[400, 100] == raw[1400, 100] ^ 1
