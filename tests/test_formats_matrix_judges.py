# SPDX-License-Identifier: Apache-2.0
"""Where the sectors lie in what we write and read, judged by programs that look for a volume
themselves; and what packers of other people make, and unpack."""

from __future__ import annotations

import shutil
import struct
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.source import Bytes2D
from imagerd.formats import Container, open_image
from imagerd.formats.nrg.chunks import Chunk
from imagerd.sectors.blocks import read_all
from imagerd.sectors.convert import from_raw, to_raw, user_data
from imagerd.sectors.views import RawView
from tests import test_formats_b6t, test_formats_c2d, test_formats_cdi
from tests.discs_formats import MemorySource as Pattern
from tests.judges import ask, package
from tests.matrix_discs import (
    DISCS,
    WithSub,
    assert_sectors,
    opened,
    raw_of,
    written,
)
from tests.packed_reading import stored_bytes
from tests.sheets import SubSource
from tests.sources import MemorySource, audio, data, memory_disc
from tests.test_formats_nrg import nrg

WITH_SUB = [Container.CHD, Container.TOC, Container.NRG, Container.MDS]


# -- a real volume --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Bytes2D:
    """The blocks of a volume that xorriso made, with one file in it."""
    folder = tmp_path_factory.mktemp("volume")
    (folder / "tree").mkdir()
    (folder / "tree" / "hello.txt").write_bytes(HELLO)
    ask("xorriso", "-as", "mkisofs", "-V", "REAL", "-o", "real.iso", "tree", cwd=folder)
    return np.fromfile(folder / "real.iso", np.uint8).reshape(-1, 2048)


HELLO = bytes(range(256)) * 40


def data_disc(volume: Bytes2D, mode: TrackMode, *more: object) -> MemorySource:
    xa = DiscType.XA if mode is TrackMode.MODE2 else DiscType.CDDA_OR_ROM
    disc = memory_disc([data(len(volume), mode), *more], disc_type=xa)  # type: ignore[list-item]
    disc.raw[1] = to_raw(volume, SectorFormat.USER, mode, 0)
    return disc


def sectors_in(target: Path) -> Path:
    """The file that the sectors are in."""
    suffixes = {".cue": ".bin", ".toc": ".bin", ".ccd": ".img", ".mds": ".mdf"}
    return target.with_suffix(suffixes.get(target.suffix, target.suffix))


def found_by_iat(image: Path) -> bytes:
    target = image.with_name("iat.iso")
    ask("iat", image, target)
    return target.read_bytes()


def file_found_by_unar(image: Path) -> bytes:
    """What unar takes out of the volume that it finds in the image."""
    folder = image.with_name("unpacked")
    ask("unar", "-quiet", "-output-directory", folder, image)
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found.read_bytes()


@pytest.mark.parametrize("sub", [False, True])
@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
@pytest.mark.parametrize("container", ["cue", "toc", "ccd", "nrg", "mds"])
def test_the_volume_is_found_in_our_sectors(
    tmp_path: Path, volume: Bytes2D, container: str, mode: TrackMode, sub: bool
) -> None:
    """By programs that look for it themselves, wherever the sectors begin and how long they are."""
    disc = data_disc(volume, mode, audio(40, 10))
    target = written(WithSub(disc) if sub else disc, tmp_path, Container(container))
    image, right = sectors_in(target), volume.tobytes()
    assert found_by_iat(image).startswith(right)
    if sub and container in WITH_SUB:
        return  # the others do not know sectors of 2448 bytes
    assert file_found_by_unar(image) == HELLO
    if container != "nrg":
        ask("ccd2iso", image, tmp_path / "ccd.iso", ok=(0, 1, 255))  # at the audio it gives up
        assert (tmp_path / "ccd.iso").read_bytes() == right
    if container != "nrg" and mode is TrackMode.MODE1:
        ask("mdf2iso", image, tmp_path / "mdf.iso")
        assert (tmp_path / "mdf.iso").read_bytes().startswith(right)


FORMS = [SectorFormat.RAW, SectorFormat.MODE2, SectorFormat.USER, SectorFormat.RAW_SUB]
READ_ONLY = [(Container.CDI, form) for form in FORMS]
READ_ONLY += [(Container.B6T, SectorFormat.RAW), (Container.C2D, SectorFormat.RAW)]


@pytest.mark.parametrize(("container", "stored"), READ_ONLY)
def test_they_and_we_find_the_same_in_what_nobody_writes(
    tmp_path: Path, volume: Bytes2D, container: Container, stored: SectorFormat
) -> None:
    mode = TrackMode.MODE2 if stored is SectorFormat.MODE2 else TrackMode.MODE1
    target, image = read_only(tmp_path, container, volume, mode, stored)
    with closing(open_image(target)) as ours:
        raw = read_all(RawView(ours), 0, len(volume)).data
        assert np.array_equal(user_data(raw, mode), volume)
    assert found_by_iat(image).startswith(volume.tobytes())
    if stored is not SectorFormat.RAW_SUB:
        assert file_found_by_unar(image) == HELLO


def read_only(
    folder: Path, container: Container, volume: Bytes2D, mode: TrackMode, stored: SectorFormat
) -> tuple[Path, Path]:
    """The image, and the file of it that the sectors are in."""
    track = Track(1, 1, mode, (Index(1, 0),), len(volume), control=Control.DATA)
    layout = Layout(Medium.CD, (Session(1, (track,), track.end),))
    sub = stored is SectorFormat.RAW_SUB or container is Container.B6T
    source = SubSource(layout) if sub else Pattern(layout)
    source.tracks[1] = to_raw(volume, SectorFormat.USER, mode, 0)
    if stored in (SectorFormat.MODE2, SectorFormat.USER):
        source.tracks[1] = from_raw(source.tracks[1], stored, mode)
    source.layout = layout.with_tracks(lambda track: replace(track, stored=stored))
    target = folder / f"x.{container}"
    if container is Container.CDI:
        return (test_formats_cdi.cdi(target, source),) * 2
    if container is Container.C2D:
        return (test_formats_c2d.c2d(target, source),) * 2
    assert isinstance(source, SubSource)
    return test_formats_b6t.b6t(target, source, sub=False), folder / "disc.b6i"


def test_an_nrg_of_blocks_is_read_as_three_others_read_it(tmp_path: Path, volume: Bytes2D) -> None:
    """The kind that Nero writes of data; ours are raw, which nrg2iso and chdman do not know."""
    size, lead = 2048, 150
    end = lead + len(volume)
    places = [(0, 0, -150), (1, 0, -150), (1, 1, 0), (0xAA, 1, len(volume))]
    cues = b"".join(struct.pack(">BBBxi", 0x41, *place) for place in places)
    daox = struct.pack("<I", 64) + bytes(14) + bytes((0, 1, 1, 1))
    daox += struct.pack(">12sHB3x3Q", b"", size, 0, 0, lead * size, end * size)
    chunks = [Chunk("CUEX", cues), Chunk("DAOX", daox), Chunk("SINF", struct.pack(">I", 1))]
    content = volume.tobytes()
    image = nrg(tmp_path / "x.nrg", bytes(lead * size) + content, chunks, new=True)
    with closing(open_image(image)) as ours:
        assert np.array_equal(read_all(ours, 0, len(volume)).data, volume)
    ask("nrg2iso", "x.nrg", "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes().startswith(content)
    assert found_by_iat(image).startswith(content)
    assert file_found_by_unar(image) == HELLO


# -- packers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mode 1", "mode 2 form 1 and 2", "mixed mode", "audio"])
def test_ecm_tools_unpack_ours_and_we_theirs(tmp_path: Path, name: str) -> None:
    pyecm = package("pyecm", "pyecm-tools")
    source = DISCS[name]
    ours = written(source, tmp_path / "ours", Container.ECM)
    right = b"".join(raw_of(source, track) for track in source.layout.tracks)
    pyecm.decode(str(ours), str(tmp_path / "theirs.bin"))
    assert (tmp_path / "theirs.bin").read_bytes() == right
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    pyecm.encode(str(tmp_path / "theirs.bin"), str(theirs / "x.bin.ecm"))
    shutil.copy(ours.with_name("x.cue"), theirs / "x.cue")
    with closing(opened(theirs / "x.bin.ecm")) as image:
        assert_sectors(image, source, sub=False, told=name)


PACKERS = {
    ".gz": ("gzip", "-9"), ".bz2": ("bzip2", "-1"), ".xz": ("xz", "-0"), ".zst": ("zstd", "--rm"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACKERS)
def test_what_the_packers_pack_is_read(tmp_path: Path, volume: Bytes2D, suffix: str) -> None:
    (tmp_path / "x.iso").write_bytes(volume.tobytes())
    tool, level = PACKERS[suffix]
    ask(tool, level, "x.iso", cwd=tmp_path)
    assert not (tmp_path / "x.iso").exists()
    with open_image(tmp_path / f"x.iso{suffix}") as image:
        assert stored_bytes(image) == (volume.tobytes(), [])


def test_split_and_7z_cut_and_join_as_we_do(tmp_path: Path, volume: Bytes2D) -> None:
    content = volume.tobytes()
    (tmp_path / "x.iso").write_bytes(content)
    options = ("-b", "100001", "--numeric-suffixes=1", "-a", "3")
    ask("split", *options, "x.iso", "x.iso.", cwd=tmp_path)
    (tmp_path / "x.iso").unlink()
    with open_image(tmp_path / "x.iso.001") as image:
        assert stored_bytes(image) == (content, [])
    ask("7z", "e", "-tsplit", "-oout", "x.iso.001", cwd=tmp_path)
    assert (tmp_path / "out" / "x.iso").read_bytes() == content


def test_a_dmg_of_pydmg_is_read(tmp_path: Path) -> None:
    """It writes two partitions, one of a single block of 512 bytes; each is compressed apart."""
    pydmg = package("pydmg", "pydmg")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "hello.txt").write_bytes(HELLO)
    pydmg.create_dmg(tmp_path / "tree", tmp_path / "x.dmg")
    parts = [pydmg.read_partition(tmp_path / "x.dmg", number) for number in (0, 1)]
    right = b"".join(parts)
    with open_image(tmp_path / "x.dmg") as image:
        found, failed = stored_bytes(image)
    assert found[: len(right)] == right
    assert not any(found[len(right) :])  # a quarter of a block is left
    assert failed == []


@pytest.mark.parametrize("container", ["iso", "cso", "zso"])
def test_7z_finds_the_file_in_our_iso(tmp_path: Path, volume: Bytes2D, container: str) -> None:
    """Of the other containers of blocks, in the .iso that comes back out of them."""
    disc = data_disc(volume, TrackMode.MODE1)
    target = written(disc, tmp_path / "one", Container(container))
    with closing(open_image(target)) as image:
        back = written(image, tmp_path / "back", Container.ISO)
    ask("7z", "e", "-tiso", f"-o{tmp_path / 'out'}", back)
    (found,) = (tmp_path / "out").iterdir()
    assert found.read_bytes() == HELLO
