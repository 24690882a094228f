# SPDX-License-Identifier: Apache-2.0
"""Images of 2048-byte blocks and bare .bin files: opened by what is in them, written checked."""

from __future__ import annotations

import resource
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.progress import run
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
    single_track,
)
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.formats import (
    MARKER,
    Container,
    WriteOptions,
    WrittenImage,
    identify,
    open_image,
    write_image,
)
from imagerd.sectors import convert
from tests.discs_formats import MemorySource, noise, raw_sectors, raw_volume, volume_sectors

QUICK = WriteOptions(sync=False)


class RawSource:
    """One track of given sectors from LBA 0."""

    def __init__(
        self,
        data: Bytes2D,
        mode: TrackMode = TrackMode.MODE1,
        medium: Medium = Medium.CD,
        stored: SectorFormat = SectorFormat.RAW,
    ) -> None:
        self.data = data
        self.layout = single_track(len(data), mode, medium=medium, stored=stored)

    def read(self, lba: int, count: int) -> Sectors:
        return Sectors.good(lba, self.data[lba : lba + count], self.layout.tracks[0].stored)

    def close(self) -> None:
        pass


def written(folder: Path, source: SectorSource, options: WriteOptions = QUICK) -> WrittenImage:
    return run(write_image(source, folder / "out.iso", options))


def test_an_iso_opens_as_one_data_track_of_a_cd(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(volume_sectors(40).tobytes())
    image = open_image(path)
    assert image.layout == single_track(40, TrackMode.MODE1, stored=SectorFormat.USER)
    assert (image.format, image.files, image.warnings) == ("iso", (path,), ())
    assert np.array_equal(image.read(0, 100).data, volume_sectors(40))
    image.close()


@pytest.mark.parametrize(
    ("blocks", "medium"),
    [(449_850, Medium.CD), (449_851, Medium.DVD), (4_200_000, Medium.BD)],
)
def test_the_size_of_an_iso_tells_the_family_of_discs(
    tmp_path: Path, blocks: int, medium: Medium
) -> None:
    path = tmp_path / "a.iso"
    with path.open("wb") as file:
        file.truncate(blocks * 2048)
    image = open_image(path)
    assert (image.layout.medium, image.layout.end) == (medium, blocks)
    assert not image.read(blocks - 1, 5).data.any()
    image.close()


def test_an_iso_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(volume_sectors(40).tobytes()[: 20 * 2048 + 5])
    image = open_image(path)
    assert image.layout.end == 21
    assert image.read(20, 1).states.tolist() == [SectorState.FAILED]
    assert "cut short" in image.warnings[1].sentence
    image.close()


@pytest.mark.parametrize(
    ("stored", "mode"),
    [
        (SectorFormat.USER, TrackMode.MODE1),
        (SectorFormat.MODE2, TrackMode.MODE2),
        (SectorFormat.RAW, TrackMode.MODE1),
        (SectorFormat.RAW, TrackMode.MODE2),
        (SectorFormat.RAW_SUB, TrackMode.MODE1),
    ],
)
def test_a_bin_without_a_sheet_is_probed(
    tmp_path: Path, stored: SectorFormat, mode: TrackMode
) -> None:
    raw = convert.to_raw(volume_sectors(30), SectorFormat.USER, mode, 0)
    data = convert.from_raw(raw, stored, mode, np.zeros((30, 96), np.uint8))
    path = tmp_path / "a.bin"
    path.write_bytes(data.tobytes())
    image = open_image(path)
    (track,) = image.layout.tracks
    assert (track.mode, track.stored, track.end) == (mode, stored, 30)
    assert image.warnings == ()
    image.close()


def test_content_decides_before_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "raw.iso").write_bytes(raw_volume(20).tobytes())
    (tmp_path / "cooked.bin").write_bytes(volume_sectors(20).tobytes())
    (tmp_path / "sheet.txt").write_text('FILE "x" BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00')
    assert identify(tmp_path / "raw.iso") is Container.BIN
    assert identify(tmp_path / "cooked.bin") is Container.ISO
    assert identify(tmp_path / "sheet.txt") is Container.CUE


def test_what_is_no_image_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * 1000)
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    (tmp_path / "b.iso").write_bytes(b"")
    for name, words in [
        ("a.bin", "fits no sector size"),
        ("a.txt", "no image that imagerd knows"),
        ("b.iso", "is empty"),
        ("gone.iso", "No such file"),
    ]:
        with pytest.raises(BadInput, match=words):
            open_image(tmp_path / name)
    with pytest.raises(BadInput, match="not a regular file"):
        open_image(tmp_path)


def test_raw_sectors_become_their_user_data(tmp_path: Path) -> None:
    result = written(tmp_path, RawSource(raw_volume(700)))
    data = (tmp_path / "out.iso").read_bytes()
    assert data == volume_sectors(700).tobytes()
    assert result.files[0].digests == result.tracks[0].digests == digest_bytes(data)
    assert (result.left_out, result.bad, result.wrong, result.repaired) == ((), (), (), ())


def test_mode_2_form_1_becomes_its_user_data(tmp_path: Path) -> None:
    raw = convert.to_raw(volume_sectors(30), SectorFormat.USER, TrackMode.MODE2, 0)
    written(tmp_path, RawSource(raw, TrackMode.MODE2))
    assert (tmp_path / "out.iso").read_bytes() == volume_sectors(30).tobytes()


REPAIR = WriteOptions(repair=True, overwrite=True, sync=False)


def test_a_damaged_sector_is_listed_and_repaired_when_asked(tmp_path: Path) -> None:
    raw = raw_volume(40)
    raw[7, 100] ^= 0x55
    raw[8, 2060:2064] ^= 0x55
    result = written(tmp_path, RawSource(raw))
    assert (result.wrong, result.repaired) == ((range(7, 9),), ())
    assert (tmp_path / "out.iso").read_bytes() == raw[:, 16:2064].tobytes()
    result = written(tmp_path, RawSource(raw), REPAIR)
    assert (result.wrong, result.repaired) == ((), (range(7, 9),))
    assert (tmp_path / "out.iso").read_bytes() == volume_sectors(40).tobytes()


def test_a_sector_beyond_repair_is_written_as_it_is_and_listed(tmp_path: Path) -> None:
    raw = raw_volume(40)
    raw[7, 16:2352] = noise(1, 2336, 1)[0]
    raw[9] = 0
    result = written(tmp_path, RawSource(raw), REPAIR)
    assert (result.wrong, result.repaired) == ((range(7, 8), range(9, 10)), ())
    assert (tmp_path / "out.iso").read_bytes()[7 * 2048 : 8 * 2048] == raw[7, 16:2064].tobytes()
    unchecked = WriteOptions(check=False, overwrite=True, sync=False)
    assert written(tmp_path, RawSource(raw), unchecked).wrong == ()


def test_unreadable_sectors_hold_the_marker_and_are_listed(tmp_path: Path) -> None:
    source = MemorySource(single_track(40, TrackMode.MODE1), frozenset({3, 39}))
    result = written(tmp_path, source)
    assert (result.bad, result.wrong) == ((range(3, 4), range(39, 40)), ())
    data = (tmp_path / "out.iso").read_bytes()
    assert data[3 * 2048 : 4 * 2048] == (MARKER * 80)[:2048]
    assert data[4 * 2048 : 5 * 2048] == noise(40, 2048, 0)[4].tobytes()


def mixed() -> MemorySource:
    audio = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 20)
    data = Track(2, 1, TrackMode.MODE1, (Index(0, 20), Index(1, 30)), 60, control=Control.DATA)
    extra = Track(3, 2, TrackMode.MODE1, (Index(1, 11460),), 11470, control=Control.DATA)
    return MemorySource(
        Layout(Medium.CD, (Session(1, (audio, data), 60), Session(2, (extra,), 11470)))
    )


def test_a_mixed_disc_gives_its_first_data_track_and_tells_the_rest(tmp_path: Path) -> None:
    result = written(tmp_path, mixed())
    assert (tmp_path / "out.iso").read_bytes() == noise(40, 2048, 20)[10:].tobytes()
    assert result.left_out == ("audio track 1", "data track 3", "the pregap of track 2")
    third = WriteOptions(track=3, overwrite=True, sync=False)
    assert written(tmp_path, mixed(), third).tracks[0].number == 3
    assert (tmp_path / "out.iso").read_bytes() == noise(10, 2048, 11460).tobytes()


def test_audio_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"only audio.*\.cue\.$"):
        written(tmp_path, MemorySource(single_track(5, TrackMode.AUDIO)))
    with pytest.raises(BadInput, match="Track 1 is no data track"):
        written(tmp_path, mixed(), WriteOptions(track=1))


def form2(user: Bytes2D) -> RawSource:
    raw = np.vstack(
        (
            raw_sectors(TrackMode.MODE2, 0, 20),
            convert.to_raw(user, SectorFormat.FORM2, TrackMode.MODE2, 20),
        )
    )
    return RawSource(raw, TrackMode.MODE2)


def test_form_2_sectors_are_not_cut_unasked(tmp_path: Path) -> None:
    source = form2(noise(3, 2324, 1))
    with pytest.raises(BadInput, match=r"LBA 20 is mode 2 form 2"):
        written(tmp_path, source)
    assert list(tmp_path.iterdir()) == []
    result = written(tmp_path, source, WriteOptions(cut_form2=True, sync=False))
    assert result.left_out == ("276 bytes of each of 3 form 2 sectors",)
    assert (tmp_path / "out.iso").stat().st_size == 23 * 2048


def test_empty_form_2_sectors_lose_nothing(tmp_path: Path) -> None:
    result = written(tmp_path, form2(np.zeros((3, 2324), np.uint8)))
    assert result.left_out == ()
    assert (tmp_path / "out.iso").read_bytes()[-3 * 2048 :] == bytes(3 * 2048)


def test_a_dvd_is_copied_block_by_block(tmp_path: Path) -> None:
    blocks = volume_sectors(600)
    written(tmp_path, RawSource(blocks, TrackMode.BLOCKS, Medium.DVD, SectorFormat.USER))
    assert (tmp_path / "out.iso").read_bytes() == blocks.tobytes()


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(NotAvailable, match=r"Cannot write .*out\.iso"):
            written(tmp_path, RawSource(raw_volume(4000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="Cannot write"):
        written(tmp_path / "gone", RawSource(raw_volume(20)))


@pytest.mark.parametrize("hashing", [True, False])
def test_memory_is_a_few_blocks_whatever_the_size(tmp_path: Path, hashing: bool) -> None:
    path = tmp_path / "big.bin"
    raw = raw_volume(40).tobytes()
    with path.open("wb") as file:
        file.write(raw)
        file.truncate(40_000 * 2352)
    image = open_image(path)
    options = WriteOptions(hash=hashing, check=False, sync=False)
    tracemalloc.start()
    try:
        run(write_image(image, tmp_path / "out.cue", options))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
        image.close()
