# SPDX-License-Identifier: Apache-2.0
"""Digests and descriptions of discs and images."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from imagerd.base.digests import digest_bytes
from imagerd.base.progress import Progress, run
from imagerd.disc import cdtext
from imagerd.disc.cdtext import PackType, Text
from imagerd.disc.layout import Control, Medium, SectorFormat, TrackMode
from imagerd.formats import open_image
from imagerd.toolkit.hashing import HashResult, hash_source
from imagerd.toolkit.info import info
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.toolkit_images import volume, write_cue, write_iso

MIXED = (data(60), audio(30, pregap=10, isrc="DEA371500001"), audio(40, indexes=(10, 5)))


def hashed(path: Path, *, whole: bool = False) -> HashResult:
    seen: list[Progress] = []
    with closing(open_image(path)) as image:
        result = run(hash_source(image, image.files, whole=whole), seen.append)
    assert seen[-1].done == seen[-1].total
    return result


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_every_file_and_track_has_its_own_digests(tmp_path: Path, split: bool, whole: bool) -> None:
    disc = memory_disc(MIXED)
    result = hashed(write_cue(tmp_path, disc, split=split), whole=whole)
    for track in result.tracks:
        assert track.digests == digest_bytes(disc.raw[track.number].tobytes())
    assert len(result.files) == (4 if split else 2)
    for file in result.files:
        assert file.digests == digest_bytes(file.path.read_bytes())
    joined = b"".join(disc.raw[number].tobytes() for number in (1, 2, 3))
    assert result.whole == (digest_bytes(joined) if whole else None)


def test_a_file_of_the_right_size_with_other_bytes_is_hashed_by_itself(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([audio(20)]))
    sheet.write_text(sheet.read_text().replace("BINARY", "MOTOROLA"))
    result = hashed(sheet)
    data_file = result.files[-1]
    assert data_file.digests == digest_bytes(data_file.path.read_bytes())
    assert result.tracks[0].digests != data_file.digests


def test_without_files_the_whole_disc_is_hashed_and_what_was_not_read_is_told() -> None:
    disc = memory_disc(MIXED, bad=frozenset({3, 4, 99}))
    result = run(hash_source(disc))
    assert result.whole is not None
    assert result.whole.size == 130 * 2352
    assert result.unreadable.ranges == (range(3, 5), range(99, 100))


def test_a_description_holds_what_the_layout_holds() -> None:
    disc = memory_disc(MIXED, mcn="4006381333931")
    described = info(disc)
    assert described.medium is Medium.CD
    assert (described.sectors, described.bytes) == (130, 130 * 2352)
    assert described.mcn == "4006381333931"
    second, third = described.tracks[1:]
    assert (second.first, second.sectors, second.pregap, second.isrc) == (
        70,
        20,
        10,
        "DEA371500001",
    )
    assert [(index.number, index.lba) for index in third.indexes] == [(1, 90), (2, 100), (3, 105)]
    assert described.tracks[0].flags == ("data",)
    assert described.cddb is not None
    assert described.musicbrainz is not None
    assert len(described.musicbrainz) == 28


def test_titles_come_from_cd_text() -> None:
    from dataclasses import replace

    disc = memory_disc([audio(30, control=Control.PRE_EMPHASIS), audio(30)])
    texts = [Text(0, PackType.TITLE, 0, "Album"), Text(0, PackType.TITLE, 2, "Second")]
    layout = replace(disc.layout, cd_text=cdtext.build(texts, 2))
    described = info(MemorySource(layout, disc.raw))
    assert described.title == "Album"
    assert [track.title for track in described.tracks] == [None, "Second"]
    assert described.tracks[0].flags == ("pre-emphasis",)


def test_data_discs_have_no_audio_ids() -> None:
    for disc in (memory_blocks(40), memory_disc([data(30, TrackMode.MODE2)])):
        described = info(disc)
        assert described.musicbrainz is None
        assert described.cddb is None


def test_the_volume_is_described(tmp_path: Path) -> None:
    with closing(open_image(write_iso(tmp_path, volume(40, name="GAME_DISC")))) as image:
        described = info(image)
    assert described.volume is not None
    assert described.volume.volume_id == "GAME_DISC"
    assert described.volume.iso9660
    assert described.volume_size is not None
    assert described.volume_size.ok
    assert described.tracks[0].stored_size == SectorFormat.USER.size
