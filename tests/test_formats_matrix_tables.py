# SPDX-License-Identifier: Apache-2.0
"""The discs of the matrix as other people's programs see them: tracks, indexes, codes and flags,
and the sectors wherever they give them; what they read of ours, and what we read of theirs."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.disc.layout import Control, TrackMode
from imagerd.disc.msf import Msf
from imagerd.formats import Container, open_image
from imagerd.sectors.blocks import read_all
from imagerd.sectors.convert import user_data
from imagerd.sectors.views import RawView
from tests.judges import ask, package
from tests.matrix_discs import (
    DISCS,
    LIBCRYPT,
    WithSub,
    assert_sectors,
    bare,
    raw_of,
    raw_sectors,
    written,
    wrong_q,
)
from tests.sources import audio, data, memory_disc

ONE_SESSION = [name for name, disc in DISCS.items() if len(disc.layout.sessions) == 1]
NO_GD = [name for name in DISCS if "GD" not in name]
GAPS = "gaps not stored"  # not everybody knows such


# -- libcdio, cdrdao, libcue ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed mode", "hidden track", "mode 1"])
@pytest.mark.parametrize("container", ["cue", "nrg"])
def test_libcdio_reads_the_same_sectors(tmp_path: Path, container: str, name: str) -> None:
    source = DISCS[name]
    image = written(source, tmp_path, Container(container))
    for track in source.layout.tracks:
        if track.is_data and container == "nrg":
            continue  # it knows no raw mode 1 in an .nrg, and says so
        area = ("-s", str(track.index1), "-e", str(track.end - 1), "-o", tmp_path / "out")
        ask("cd-read", "-i", image.name, "-m", "m1f1" if track.is_data else "audio", *area,
            cwd=tmp_path)  # fmt: skip
        right = np.frombuffer(raw_of(source, track, track.index1), np.uint8).reshape(-1, 2352)
        if track.is_data:
            right = user_data(right, track.mode)
        assert (tmp_path / "out").read_bytes() == right.tobytes(), track.number


NOT_OF_LIBCDIO = {("cue", GAPS), ("nrg", "audio")}  # no PREGAP; ends by an assertion at INDEX 02


@pytest.mark.parametrize(
    ("container", "name"),
    [(c, n) for c in ("cue", "nrg") for n in ONE_SESSION if (c, n) not in NOT_OF_LIBCDIO],
)
def test_libcdio_sees_the_tracks_where_they_are(tmp_path: Path, container: str, name: str) -> None:
    source = DISCS[name]
    image = written(source, tmp_path, Container(container))
    told = ask("cd-info", "--no-device-info", "--no-cddb", "-i", image.name, cwd=tmp_path)
    found = re.findall(r"^ *(\d+): \S+ +(\d+) (?:data|audio|XA|leadout)", told, re.MULTILINE)
    starts = [(track.number, track.index1) for track in source.layout.tracks]
    assert [(int(number), int(lba)) for number, lba in found][: len(starts)] == starts
    if source.layout.mcn is not None:
        assert source.layout.mcn in told


MODES = {TrackMode.MODE1: "MODE1_RAW", TrackMode.MODE2: "MODE2_RAW", TrackMode.AUDIO: "AUDIO"}


@pytest.mark.parametrize("name", ONE_SESSION)
def test_cdrdao_says_all_of_our_toc_and_reads_its_sectors(tmp_path: Path, name: str) -> None:
    layout = DISCS[name].layout
    written(DISCS[name], tmp_path, Container.TOC)
    told = ask("cdrdao", "show-toc", "x.toc", cwd=tmp_path)
    blocks = re.split(r"^TRACK +\d+ +", told, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(layout.tracks)
    if layout.mcn is not None:
        assert f"CATALOG NUMBER: {layout.mcn}" in told
    for block, track in zip(blocks, layout.tracks, strict=True):
        assert block.startswith(f"Mode {MODES[track.mode]}")
        places = [
            int(lba)
            for lba in re.findall(r"^ +(?:START|INDEX +\d+|END) .*\( *(\d+)\)", block, re.M)
        ]
        later = [index.lba for index in track.indexes if index.number > 0]
        assert places == [*later, track.end], (track.number, block)
        pregap = re.search(r"PREGAP \S+\( *(\d+)\)", block)
        assert (int(pregap[1]) if pregap else 0) == track.pregap
        assert ("COPY NOT PERMITTED" in block) is not bool(track.control & Control.COPY_PERMITTED)
        assert (track.isrc or "") == "".join(re.findall(r"ISRC (.+)", block)).replace(" ", "")
        emphasis = re.search(r"^ +PRE-EMPHASIS$", block, re.M) is not None
        assert emphasis is bool(track.control & Control.PRE_EMPHASIS)
    read = ask("cdrdao", "read-test", "--force", "x.toc", cwd=tmp_path)
    assert f"Read {layout.end} blocks." in read


@pytest.mark.parametrize("name", [n for n in ONE_SESSION if n not in (GAPS, "subchannel")])
def test_what_toc2cue_makes_of_our_toc_is_the_same_disc(tmp_path: Path, name: str) -> None:
    """But for its byte order of samples, and for what it leaves out: all flags but one, indexes
    from 02 on, ISRC and MCN.
    """
    source = DISCS[name]
    written(source, tmp_path, Container.TOC)
    ask("toc2cue", "x.toc", "theirs.cue", cwd=tmp_path)
    with closing(open_image(tmp_path / "theirs.cue")) as image:
        kept = source.layout.with_tracks(
            lambda track: replace(
                track,
                isrc=None,
                control=track.control & ~Control.PRE_EMPHASIS,
                indexes=tuple(index for index in track.indexes if index.number < 2),
            )
        )
        assert bare(image.layout).tracks == bare(kept).tracks
        for track in image.layout.tracks:
            sectors = raw_of(image, track)
            if not track.is_data:
                sectors = np.frombuffer(sectors, "<u2").byteswap().tobytes()
            assert sectors == raw_of(source, track)


@pytest.mark.parametrize("name", NO_GD)
def test_libcue_says_all_of_our_sheets(tmp_path: Path, name: str) -> None:
    libcue = package("pylibcue", "pylibcue")
    layout = DISCS[name].layout
    sheet = written(DISCS[name], tmp_path, Container.CUE)
    disc = libcue.parse_file(sheet)
    assert disc.catalog == layout.mcn
    assert len(disc) == len(layout.tracks)
    shift = 0  # from an LBA to a sector of the file
    ends = {session.number: session.lead_out for session in layout.sessions}
    for told, track in zip(disc, layout.tracks, strict=True):
        first = next(s for s in layout.sessions if s.number == track.session).tracks[0]
        if track is first and track.session > 1:
            shift += track.start - ends[track.session - 1]
        shift += track.pregap_virtual
        indexes = {
            number: Msf(*place).frames
            for number in range(100)
            if (place := told.get_index(number)) is not None
        }
        first_stored = track.stored_range.start
        stored = [i for i in track.indexes if i.number or first_stored < track.index1]
        assert indexes == {i.number: max(i.lba, first_stored) - shift for i in stored}
        assert told.isrc == track.isrc
        assert told.has_flag(libcue.TrackFlag.PRE_EMPHASIS) is bool(
            track.control & Control.PRE_EMPHASIS
        )
        assert told.has_flag(libcue.TrackFlag.COPY_PERMITTED) is bool(
            track.control & Control.COPY_PERMITTED
        )
    if layout.cd_text is not None:
        assert disc.cdtext.title == "Title 0"
        assert next(track.cdtext.title for track in disc) == "Title 1"


# -- chdman and chdimage --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NO_GD if name != GAPS])
def test_chdimage_gives_the_digests_of_the_tracks_out_of_our_chd(tmp_path: Path, name: str) -> None:
    """It is no relative of chdman: chd-rs reads the hunks."""
    chdimage = package("chdimage", "chdimage")
    source = DISCS[name]
    target = written(source, tmp_path, Container.CHD)
    found = [bytes(digest).hex() for digest in chdimage.open(str(target)).track_sha1s()]
    right = [hashlib.sha1(block.data.tobytes()).hexdigest() for _, block in raw_sectors(source)]
    assert found == right


@pytest.mark.parametrize("codec", ["none", "zlib", "lzma", "huff", "flac", "cdzl", "cdlz,cdfl"])
def test_chdman_chdimage_and_we_read_the_same_of_any_codec(tmp_path: Path, codec: str) -> None:
    chdimage = package("chdimage", "chdimage")
    source = DISCS["mixed mode"]
    written(source, tmp_path, Container.CUE)
    made_by_chdman = tmp_path / "theirs.chd"
    ask("chdman", "createcd", "-c", codec, "-i", "x.cue", "-o", made_by_chdman, cwd=tmp_path)
    with closing(open_image(made_by_chdman)) as image:
        assert_sectors(image, source, sub=False, told=codec)
        ours = [hashlib.sha1(raw_of(image, track)).hexdigest() for track in image.layout.tracks]
    found = chdimage.open(str(made_by_chdman)).track_sha1s()
    assert [bytes(digest).hex() for digest in found] == ours


PLAIN_TOCS = {name: disc for name, disc in DISCS.items() if len(disc.layout.tracks) == 1}
PLAIN_TOCS["subchannel"] = WithSub(memory_disc([data(160), audio(60), audio(40)]), wrong=LIBCRYPT)


@pytest.mark.parametrize("name", PLAIN_TOCS)
def test_chdman_reads_our_toc_as_we_do(tmp_path: Path, name: str) -> None:
    """Without pregaps: those it takes for sectors that are in no file, and counts them twice."""
    source = PLAIN_TOCS[name]
    target = written(source, tmp_path, Container.TOC)
    ask("chdman", "createcd", "-c", "none", "-i", target, "-o", tmp_path / "theirs.chd")
    with closing(open_image(tmp_path / "theirs.chd")) as image:
        assert [t.index1 for t in image.layout.tracks] == [t.index1 for t in source.layout.tracks]
        assert_sectors(image, source, sub=isinstance(source, WithSub), told=name)
        if isinstance(source, WithSub):
            assert wrong_q(image) == LIBCRYPT


def test_chdman_extracts_the_subchannel_that_we_wrote(tmp_path: Path) -> None:
    source = DISCS["subchannel"]
    assert isinstance(source, WithSub)
    target = written(source, tmp_path, Container.CHD)
    ask("chdman", "verify", "-i", target)
    ask("chdman", "extractcd", "-i", target, "-o", "out.toc", "-ob", "out.bin", cwd=tmp_path)
    rows = np.fromfile(tmp_path / "out.bin", np.uint8).reshape(-1, 2448)
    sub = np.concatenate([source.sub[track.number] for track in source.layout.tracks])
    assert np.array_equal(rows[:, 2352:], sub)
    assert rows[:180, :2352].tobytes() == source.raw[1].tobytes()


def test_chdman_reads_our_gdi_and_we_what_it_extracts(tmp_path: Path) -> None:
    source = DISCS["GD-ROM"]
    target = written(source, tmp_path, Container.GDI)
    ask("chdman", "createcd", "-i", target, "-o", tmp_path / "theirs.chd")
    (tmp_path / "out").mkdir()
    ask("chdman", "extractcd", "-i", tmp_path / "theirs.chd", "-o", tmp_path / "out" / "x.gdi")
    for path in (tmp_path / "theirs.chd", tmp_path / "out" / "x.gdi"):
        with closing(open_image(path)) as image:
            tracks = source.layout.tracks
            assert [t.index1 for t in image.layout.tracks] == [t.index1 for t in tracks]
            for track in tracks:
                sectors = read_all(RawView(image), track.index1, track.end - track.index1)
                assert sectors.data.tobytes() == raw_of(source, track, track.index1)
