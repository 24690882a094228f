# SPDX-License-Identifier: Apache-2.0
"""What chdman writes is read, and what we write is verified and extracted by it, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import DiscType, Index, SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D, SectorSource, SectorState
from imagerd.formats import Image, WriteOptions, open_image, write_image
from imagerd.formats.chd import decoders
from imagerd.formats.chd.header import LONGEST, parse
from imagerd.formats.chd.image import ChdImage
from imagerd.formats.variants import words_of
from imagerd.sectors.convert import to_raw
from imagerd.sectors.subchannel import deinterleave
from tests.chd_files import cd_block, frames_of, write_old, write_plain, write_v5
from tests.discs_formats import MemorySource, read_all
from tests.judges import ask, missing
from tests.sources import MemorySource as MemoryDisc
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.test_formats_chd import gd_rom

FAST = WriteOptions(sync=False, hash=False)


def songs(count: int) -> Bytes2D:
    """Sectors of something like music, which FLAC makes smaller than others do."""
    at = np.arange(count * 588)
    waves = [9000 * np.sin(at / period) + np.sin(at * 7.1) * 20 for period in (31, 47)]
    return np.stack(waves, 1).astype("<i2").view(np.uint8).reshape(count, 2352)


def text(count: int) -> Bytes2D:
    """Raw mode 1 sectors that LZMA and deflate make smaller."""
    rng = np.random.default_rng(4)
    words = rng.integers(97, 123, (40, 8), np.uint8)
    user = words[rng.integers(0, 40, count * 256)].reshape(count, 2048)
    return to_raw(user, SectorFormat.USER, TrackMode.MODE1, 0)


def disc() -> MemoryDisc:
    source = memory_disc(
        [data(90), audio(70, pregap=20), audio(33), data(40, TrackMode.MODE2, form2=3)],
        disc_type=DiscType.XA,
    )
    source.raw[1] = text(90)
    source.raw[2][20:] = songs(50)
    source.raw[3][9:20] = source.raw[3][0]
    return source


def as_cue(source: SectorSource, folder: Path) -> Path:
    run(write_image(source, folder / "in.cue", FAST))
    return folder / "in.cue"


def assert_same_sectors(image: Image, source: SectorSource) -> None:
    assert [t.indexes for t in image.layout.tracks] == [t.indexes for t in source.layout.tracks]
    for track in source.layout.tracks:
        area = range(track.start, track.end)
        assert np.array_equal(read_all(image, area), read_all(source, area))


CODECS = ["none", "zlib", "lzma", "huff", "flac", "cdzl", "cdlz", "cdfl", "cdlz,cdzl,cdfl"]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_of_chdman_is_read(codec: str, tmp_path: Path) -> None:
    source = disc()
    ask("chdman", "createcd", "-c", codec, "-i", as_cue(source, tmp_path), "-o", tmp_path / "x.chd")
    with open_chd(tmp_path / "x.chd") as image:
        assert_same_sectors(image, source)
        assert not image.warnings


def open_chd(path: Path) -> ChdImage:
    image = open_image(path)
    assert isinstance(image, ChdImage)
    return image


@pytest.mark.parametrize("hunk", [2448, 2448 * 4, 2448 * 14])
def test_hunks_of_another_size_are_read(hunk: int, tmp_path: Path) -> None:
    source, made = disc(), tmp_path / "x.chd"
    ask("chdman", "createcd", "-hs", str(hunk), "-i", as_cue(source, tmp_path), "-o", made)
    with open_chd(made) as image:
        assert_same_sectors(image, source)


def sha1s(path: Path) -> tuple[str, ...]:
    found = re.findall(r"SHA1: +([0-9a-f]{40})", ask("chdman", "info", "-i", path))
    assert len(found) == 2
    return tuple(found)


@pytest.mark.parametrize("quick", [False, True])
def test_chdman_takes_ours_for_its_own(quick: bool, tmp_path: Path) -> None:
    source = disc()
    ask("chdman", "createcd", "-i", as_cue(source, tmp_path), "-o", tmp_path / "theirs.chd")
    run(write_image(source, tmp_path / "ours.chd", replace(FAST, quick=quick)))
    assert sha1s(tmp_path / "ours.chd") == sha1s(tmp_path / "theirs.chd")
    assert "Overall SHA1 verification successful" in ask(
        "chdman", "verify", "-i", tmp_path / "ours.chd"
    )
    ask("chdman", "extractcd", "-i", tmp_path / "ours.chd", "-o", tmp_path / "out.cue")
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()
    if not quick:
        sizes = [(tmp_path / f"{who}.chd").stat().st_size for who in ("ours", "theirs")]
        assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("quick", [False, True])
def test_chdman_verifies_and_extracts_every_codec_that_can_be_asked_for(
    codec: str, quick: bool, tmp_path: Path
) -> None:
    source, ours, theirs = disc(), tmp_path / "ours.chd", tmp_path / "theirs.chd"
    sheet = as_cue(source, tmp_path)
    run(write_image(source, ours, replace(FAST, quick=quick, variant=words_of(codec))))
    told = ask("chdman", "info", "-i", ours)
    named = re.search(r"Compression: +(.+)", told)
    assert named is not None
    assert [part.split()[0] for part in named[1].split(", ")] == codec.split(",")
    if codec != "none":  # of which chdman verifies nothing
        said = ask("chdman", "verify", "-i", ours)
        assert "Overall SHA1 verification successful" in said
    ask("chdman", "extractcd", "-i", ours, "-o", tmp_path / "out.cue")
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()
    with open_chd(ours) as image:
        assert_same_sectors(image, source)
        assert not image.warnings
        assert all(own.actual == own.expected for own in run(image.own_digests()))
    if not quick:
        ask("chdman", "createcd", "-c", codec, "-i", sheet, "-o", theirs)
        assert ours.stat().st_size <= theirs.stat().st_size * 1.001 + 64


@pytest.mark.parametrize("hunk", [2448, 2448 * 4, 2448 * 30])
@pytest.mark.parametrize("codec", ["", "none,", "cdzl,cdfl,huff,"])
def test_chdman_reads_hunks_of_any_size(hunk: int, codec: str, tmp_path: Path) -> None:
    source, ours = disc(), tmp_path / "ours.chd"
    as_cue(source, tmp_path)
    run(write_image(source, ours, replace(FAST, variant=words_of(f"{codec}hunk={hunk}"))))
    assert f"Hunk Size:    {hunk:,} bytes" in ask("chdman", "info", "-i", ours)
    ask("chdman", "extractcd", "-i", ours, "-o", tmp_path / "out.cue")
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()
    with open_chd(ours) as image:
        assert_same_sectors(image, source)


@pytest.mark.parametrize("codec", ["none", "zlib", "lzma", "huff", "flac", "hunk=2048"])
def test_chdman_reads_the_blocks_of_a_dvd_by_every_codec(codec: str, tmp_path: Path) -> None:
    source, ours = memory_blocks(300), tmp_path / "ours.chd"
    run(write_image(source, ours, replace(FAST, variant=words_of(codec))))
    ask("chdman", "extractraw", "-i", ours, "-o", tmp_path / "out.iso")
    assert (tmp_path / "out.iso").read_bytes() == source.read(0, 300).data.tobytes()


@pytest.mark.parametrize("codec", ["zstd", "cdzs", "cdzs,cdzl,cdfl"])
def test_zstandard_is_written_and_read(codec: str, tmp_path: Path) -> None:
    """chdman 0.251 does not know it: only our own reader, of what MAME's source tells, judges."""
    if decoders.zstd() is None:
        missing("the package backports.zstd is not installed")
    source, ours = disc(), tmp_path / "ours.chd"
    run(write_image(source, ours, replace(FAST, variant=words_of(codec))))
    with open_chd(ours) as image:
        assert_same_sectors(image, source)
        assert all(own.actual == own.expected for own in run(image.own_digests()))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("cdxx", "it can be none, zlib"),
        ("none,zlib", "uncompressed and have codecs"),
        ("zlib,lzma,huff,cdzl,cdlz", "4 codecs at most"),
        ("zlib,zlib", "one too many"),
        ("hunk=2048", "a multiple of 2448"),
        ("hunk=0", "a multiple of 2448"),
        ("hunk=999999999", "a multiple of 2448"),
        ("hunk=2448,hunk=4896", "one too many"),
        ("hunk=x", "it can be none"),
    ],
)
def test_what_a_chd_cannot_be_is_a_sentence(words: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        run(write_image(disc(), tmp_path / "x.chd", replace(FAST, variant=words_of(words))))
    assert list(tmp_path.iterdir()) == []


def test_a_dvd_has_no_codecs_for_cds(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is for CDs"):
        run(write_image(memory_blocks(9), tmp_path / "x.chd", replace(FAST, variant=("cdzl",))))


def test_what_a_chd_has_no_words_for_does_not_disturb_chdman(tmp_path: Path) -> None:
    source = memory_disc(
        [
            replace(data(90), indexes=(30, 9)),
            replace(audio(70, pregap=20), isrc="USXX19801234", pregap_virtual=20),
            audio(33, session=2),
        ],
        mcn="4006381333931",
        first_track=3,
    )
    run(write_image(source, tmp_path / "ours.chd", FAST))
    ask("chdman", "verify", "-i", tmp_path / "ours.chd")
    ask("chdman", "copy", "-c", "cdzl", "-i", tmp_path / "ours.chd", "-o", tmp_path / "copy.chd")
    assert sha1s(tmp_path / "ours.chd") == sha1s(tmp_path / "copy.chd")
    with open_chd(tmp_path / "copy.chd") as image:
        assert image.layout == source.layout
    ask("chdman", "extractcd", "-i", tmp_path / "ours.chd", "-o", tmp_path / "out.cue")
    run(write_image(source, tmp_path / "in.cue", FAST))
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()


def test_a_gd_rom_goes_both_ways(tmp_path: Path) -> None:
    source = MemorySource(gd_rom())
    run(write_image(source, tmp_path / "ours.chd", FAST))
    (tmp_path / "out").mkdir()
    ask("chdman", "extractcd", "-i", tmp_path / "ours.chd", "-o", tmp_path / "out" / "x.gdi")
    lines = (tmp_path / "out" / "x.gdi").read_text().split("\n")
    assert [line.split()[1] for line in lines[1:6]] == ["0", "180", "45000", "45180", "45425"]
    ask("chdman", "createcd", "-i", tmp_path / "out" / "x.gdi", "-o", tmp_path / "theirs.chd")
    assert sha1s(tmp_path / "theirs.chd") == sha1s(tmp_path / "ours.chd")
    with open_chd(tmp_path / "theirs.chd") as image:
        assert [session.start for session in image.layout.sessions] == [0, 45000]
        assert [t.index1 for t in image.layout.tracks] == [t.index1 for t in source.layout.tracks]
        for track in source.layout.tracks:
            area = range(track.index1, track.end)
            assert np.array_equal(read_all(image, area), read_all(source, area))
        assert image.layout.tracks[4].indexes == (Index(0, 45200), Index(1, 45425))


def test_a_dvd_is_verified_and_extracted(tmp_path: Path) -> None:
    source = memory_blocks(67)
    source.raw[1][:30] = text(30)[:, 16:2064]
    run(write_image(source, tmp_path / "x.chd", FAST))
    ask("chdman", "verify", "-i", tmp_path / "x.chd")
    ask("chdman", "extractraw", "-i", tmp_path / "x.chd", "-o", tmp_path / "x.iso")
    assert (tmp_path / "x.iso").read_bytes() == source.raw[1].tobytes()


def test_subchannel_is_read_as_chdman_stores_it(tmp_path: Path) -> None:
    """From a cdrdao TOC: RW_RAW as it is, RW one channel after the other."""
    # With fewer hunks, chdman 0.251 cuts the map to 6 bytes for each less 16, and cannot open it.
    sectors, sub = text(150), np.random.default_rng(3).integers(0, 256, (150, 96), np.uint8)
    for word, stored in (("RW_RAW", sub), ("RW", deinterleave(sub))):
        folder = tmp_path / word
        folder.mkdir()
        (folder / "x.bin").write_bytes(np.hstack((sectors, stored)).tobytes())
        (folder / "x.toc").write_text(
            f'CD_ROM\n\nTRACK MODE1_RAW {word}\nDATAFILE "x.bin" #0 00:02:00\n'
        )
        ask("chdman", "createcd", "-i", folder / "x.toc", "-o", folder / "x.chd")
        with open_chd(folder / "x.chd") as image:
            block = image.read(0, 150)
            assert block.format is SectorFormat.RAW_SUB
            assert np.array_equal(block.data, np.hstack((sectors, sub)))


def test_a_parent_is_found_by_its_sha1(tmp_path: Path) -> None:
    old, new = disc(), disc()
    new.raw[1] = np.roll(old.raw[1], 1, axis=0)
    new.raw[3][5] = 1
    for name, source in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        as_cue(source, tmp_path / name)
    ask("chdman", "createcd", "-i", tmp_path / "old" / "in.cue", "-o", tmp_path / "a.chd")
    ask(
        "chdman", "createcd", "-op", tmp_path / "a.chd", "-i", tmp_path / "new" / "in.cue",
        "-o", tmp_path / "b.chd",
    )  # fmt: skip
    with open_chd(tmp_path / "b.chd") as image:
        assert image.files == (tmp_path / "b.chd", tmp_path / "a.chd")
        assert_same_sectors(image, new)
    (tmp_path / "a.chd").unlink()
    with pytest.raises(BadInput, match="needs its parent"):
        open_image(tmp_path / "b.chd")


@pytest.mark.parametrize("version", [3, 4])
def test_old_versions_are_read_as_chdman_reads_them(version: int, tmp_path: Path) -> None:
    sectors = np.concatenate((text(18), np.zeros((9, 2352), np.uint8), text(30)))
    hunks = frames_of(sectors, 9792)
    write_old(tmp_path / "x.chd", version, hunks, [cd_block(len(sectors))])
    ask("chdman", "verify", "-i", tmp_path / "x.chd")
    ask("chdman", "extractcd", "-i", tmp_path / "x.chd", "-o", tmp_path / "x.cue")
    assert (tmp_path / "x.bin").read_bytes() == sectors.tobytes()
    with open_chd(tmp_path / "x.chd") as image:
        assert np.array_equal(read_all(image, range(len(sectors))), sectors)


@pytest.mark.parametrize("version", [3, 4])
def test_parents_of_old_versions_are_found(version: int, tmp_path: Path) -> None:
    first = text(40)
    sectors = np.concatenate((first, text(8)))
    sectors[9] = 3
    blocks = [cd_block(40)], [cd_block(48)]
    write_old(tmp_path / "a.chd", version, frames_of(first, 9792), blocks[0])
    sha1 = parse((tmp_path / "a.chd").read_bytes()[:LONGEST]).sha1
    hunks = frames_of(first, 9792)
    write_old(tmp_path / "b.chd", version, frames_of(sectors, 9792), blocks[1], (sha1, hunks))
    assert (tmp_path / "b.chd").stat().st_size < (tmp_path / "a.chd").stat().st_size / 2
    ask("chdman", "verify", "-i", tmp_path / "b.chd", "-ip", tmp_path / "a.chd")
    with open_chd(tmp_path / "b.chd") as image:
        assert np.array_equal(read_all(image, range(48)), sectors)


def test_hunks_that_were_never_written_are_zeros(tmp_path: Path) -> None:
    hunks = frames_of(text(40), 19584)
    write_plain(tmp_path / "x.chd", hunks, [cd_block(40)], empty=[2])
    ask("chdman", "extractcd", "-i", tmp_path / "x.chd", "-o", tmp_path / "x.cue")
    with open_chd(tmp_path / "x.chd") as image:
        found = read_all(image, range(40))
    assert (tmp_path / "x.bin").read_bytes() == found.tobytes()
    assert not found[16:24].any() and found[:16].any()


@pytest.mark.parametrize("codec", [b"cdzs", b"zstd"])
def test_zstandard_is_read(codec: bytes, tmp_path: Path) -> None:
    """chdman has it since 0.262 only: the frames are made here, as its source has them."""
    module = decoders.zstd()
    if module is None:
        missing("backports.zstd is not installed (Python package)")
        return
    sectors = text(24)
    hunks, packed = frames_of(sectors, 19584), []
    for hunk in hunks:
        if codec == b"zstd":
            packed.append(module.compress(hunk.tobytes(), 19))
            continue
        frames = hunk.reshape(-1, 2448)
        bare = frames[:, :2352].copy()
        bare[:, :12] = bare[:, 2076:] = 0
        coder = module.ZstdCompressor(22)  # without a size, so that it asks for 128 MiB
        base = coder.compress(bare.tobytes()) + coder.flush()
        sub = module.compress(frames[:, 2352:].tobytes(), 22)
        packed.append(b"\xff" + len(base).to_bytes(2, "big") + base + sub)
    write_v5(tmp_path / "x.chd", codec, packed, hunks, [cd_block(24)])
    with open_chd(tmp_path / "x.chd") as image:
        block = image.read(0, 24)
        assert (block.states == SectorState.READ).all()
        assert np.array_equal(block.data, sectors)
