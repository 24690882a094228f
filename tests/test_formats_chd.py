# SPDX-License-Identifier: Apache-2.0
"""Any disc, written as a CHD and read back, is the same disc; what is damaged says so."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import AlreadyThere, BadInput, NotAvailable
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
)
from imagerd.disc.source import Bytes2D, FaultKind, Sectors, SectorSource, SectorState
from imagerd.formats import (
    MARKER,
    Container,
    Image,
    WriteOptions,
    WrittenImage,
    identify,
    open_image,
    write_image,
)
from imagerd.formats.chd import flac
from imagerd.formats.chd.hunkmap import Kind
from imagerd.formats.chd.image import ChdImage
from imagerd.formats.chd.metadata import Block
from imagerd.formats.chd.place import layout_of
from imagerd.formats.chd.tracks import Entry, read_sessions
from imagerd.toolkit.verify import verify
from tests.discs_formats import MemorySource, noise, raw_sectors, read_all
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.strategies_formats import layouts

FAST = WriteOptions(sync=False)


def written(source: SectorSource, target: Path, options: WriteOptions = FAST) -> WrittenImage:
    return run(write_image(source, target, options))


def opened(path: Path) -> ChdImage:
    image = open_image(path)
    assert isinstance(image, ChdImage)
    return image


def stored(source: SectorSource | Image, area: range) -> Bytes2D:
    """All sectors of `area` as they are stored."""
    parts, at = [], area.start
    while at < area.stop:
        block = source.read(at, area.stop - at)
        assert (block.states == SectorState.READ).all()
        parts.append(block.data)
        at = block.end
    return np.concatenate(parts)


def assert_same(image: ChdImage, source: SectorSource) -> None:
    assert image.layout == source.layout
    assert not image.warnings
    for track in source.layout.tracks:
        area = range(track.start, track.end)
        if area:
            assert np.array_equal(stored(image, area), stored(source, area))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts(), quick=st.booleans())
def test_any_layout_written_and_read_is_the_same_layout(layout: Layout, quick: bool) -> None:
    source = MemorySource(layout)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "disc.chd"
        result = written(source, target, WriteOptions(sync=False, hash=False, quick=quick))
        assert not result.left_out and not result.bad
        with opened(target) as image:
            assert image.layout == layout
            for track in layout.tracks:
                area = range(track.start, track.end)
                if area:
                    assert np.array_equal(read_all(image, area), read_all(source, area))


SHORT = [
    (TrackMode.MODE1, SectorFormat.USER),
    (TrackMode.MODE2, SectorFormat.USER),
    (TrackMode.MODE2, SectorFormat.FORM2),
    (TrackMode.MODE2, SectorFormat.MODE2),
]


@pytest.mark.parametrize(("mode", "form"), SHORT)
def test_short_sectors_stay_short(mode: TrackMode, form: SectorFormat, tmp_path: Path) -> None:
    source = memory_disc([data(19, mode, stored=form), audio(30, pregap=9)])
    written(source, tmp_path / "x.chd")
    with opened(tmp_path / "x.chd") as image:
        assert_same(image, source)


def test_sectors_without_a_type_of_their_own_are_made_raw(tmp_path: Path) -> None:
    source = memory_disc([data(19, TrackMode.MODE2, stored=SectorFormat.XA_USER, form2=3)])
    written(source, tmp_path / "x.chd")
    with opened(tmp_path / "x.chd") as image:
        assert image.layout.tracks[0].stored is SectorFormat.RAW
        assert np.array_equal(read_all(image, range(19)), read_all(source, range(19)))


class WithSub:
    """A source that knows the subchannel of its sectors from LBA `first` on."""

    def __init__(self, source: SectorSource, first: int = 0) -> None:
        self._source = source
        self.first = first
        self.sub = noise(source.layout.end, 96, 5)

    @property
    def layout(self) -> Layout:
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        if lba < self.first:
            return self._source.read(lba, min(count, self.first - lba))
        block = self._source.read(lba, count)
        return replace(block, sub=self.sub[lba : lba + len(block)])

    def close(self) -> None:
        self._source.close()


def test_subchannel_is_kept(tmp_path: Path) -> None:
    source = WithSub(memory_disc([data(21), audio(30, pregap=9)]))
    assert not written(source, tmp_path / "x.chd").left_out
    with opened(tmp_path / "x.chd") as image:
        assert {track.stored for track in image.layout.tracks} == {SectorFormat.RAW_SUB}
        assert np.array_equal(read_all(image, range(51)), read_all(source, range(51)))
        block = image.read(25, 10)
        assert block.sub is not None
        assert np.array_equal(block.sub, source.sub[25 : 25 + len(block)])
        written(image, tmp_path / "again.chd")
    assert (tmp_path / "again.chd").read_bytes() == (tmp_path / "x.chd").read_bytes()


def test_the_subchannel_of_unread_sectors_is_no_filling(tmp_path: Path) -> None:
    source = WithSub(memory_disc([data(21)], bad=frozenset({3})))
    written(source, tmp_path / "x.chd")
    with opened(tmp_path / "x.chd") as image:
        block = image.read(0, 21)
        assert block.sub is not None
        assert not block.sub[3].any() and np.array_equal(block.sub[4:], source.sub[4:])


def test_that_subchannel_is_missing_in_part_is_said(tmp_path: Path) -> None:
    source = WithSub(memory_disc([data(21)]), first=5)
    (said,) = written(source, tmp_path / "x.chd").left_out
    assert "5 sectors" in said
    with opened(tmp_path / "x.chd") as image:
        assert np.array_equal(stored(image, range(21))[5:, 2352:], source.sub[5:])
        assert not stored(image, range(21))[:5, 2352:].any()


def gd_rom() -> Layout:
    """As Redump has them: pregaps stored, the high-density area from LBA 45000 on."""
    low = (
        Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 30, control=Control.DATA),
        Track(2, 1, TrackMode.AUDIO, (Index(0, 30), Index(1, 180)), 210),
    )
    high = (
        Track(3, 2, TrackMode.MODE1, (Index(1, 45000),), 45030, control=Control.DATA),
        Track(4, 2, TrackMode.AUDIO, (Index(0, 45030), Index(1, 45180)), 45200),
        Track(
            5, 2, TrackMode.MODE1, (Index(0, 45200), Index(1, 45425)), 45450,
            control=Control.DATA, pregap_virtual=225,
        ),
    )  # fmt: skip
    return Layout(Medium.CD, (Session(1, low, 210), Session(2, high, 45450)))


def test_a_gd_rom_is_the_same_again(tmp_path: Path) -> None:
    source = MemorySource(gd_rom())
    written(source, tmp_path / "x.chd")
    assert b"CHGD" in (tmp_path / "x.chd").read_bytes()
    with opened(tmp_path / "x.chd") as image:
        assert_same(image, source)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    ("medium", "layers"), [(Medium.DVD, ()), (Medium.DVD, (33,)), (Medium.BD, ())]
)
def test_a_disc_of_blocks_is_the_same_again(
    medium: Medium, layers: tuple[int, ...], quick: bool, tmp_path: Path
) -> None:
    source = memory_blocks(67, medium=medium, layers=layers)
    source.raw[1][20:40] = 0
    source.raw[1][40:50] = np.arange(2048, dtype=np.uint8)
    written(source, tmp_path / "x.chd", replace(FAST, quick=quick))
    with opened(tmp_path / "x.chd") as image:
        assert_same(image, source)


def test_the_digests_are_those_of_the_file_and_of_the_tracks(tmp_path: Path) -> None:
    source = memory_disc([data(21), audio(30, pregap=9)])
    result = written(source, tmp_path / "x.chd")
    assert result.files[0].digests == digest_bytes((tmp_path / "x.chd").read_bytes())
    assert [track.digests for track in result.tracks] == [
        digest_bytes(source.raw[number].tobytes()) for number in (1, 2)
    ]


def test_unread_sectors_are_filling_and_known_as_such(tmp_path: Path) -> None:
    bad = frozenset({4, 5, 28})
    result = written(memory_disc([data(21), audio(30)], bad=bad), tmp_path / "x.chd")
    assert result.bad == (range(4, 6), range(28, 29))
    with opened(tmp_path / "x.chd") as image:
        block = image.read(0, 21)
        assert block.data[4].tobytes().startswith(MARKER)
        assert block.states.tolist().count(SectorState.FAILED) == 2
        assert [(f.lba, f.count, f.kind) for f in block.faults] == [(4, 2, FaultKind.FILLING)]
        sound = image.read(21, 30)
        assert not sound.data[7].any() and sound.states[7] == SectorState.FAILED


def test_the_same_hunk_is_stored_once(tmp_path: Path) -> None:
    source = memory_disc([audio(800, pregap=720)])
    source.raw[1][720:] = np.tile(source.raw[1][720:728], (10, 1))
    written(source, tmp_path / "x.chd")
    with opened(tmp_path / "x.chd") as image:
        kinds = image.hunks.entries["kind"].tolist()
        assert kinds.count(Kind.SELF) == 98 and len(kinds) == 100
        assert_same(image, source)


def big_disc(folder: Path) -> tuple[MemorySource, ChdImage]:
    track = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 1900, control=Control.DATA)
    source = MemorySource(Layout(Medium.CD, (Session(1, (track,), 1900),)))
    written(source, folder / "big.chd", WriteOptions(sync=False, quick=True))
    return source, opened(folder / "big.chd")


def test_sectors_are_the_same_in_any_order(tmp_path: Path) -> None:
    source, image = big_disc(tmp_path)
    rng = np.random.default_rng(1)
    with image:
        for _ in range(60):
            lba, count = int(rng.integers(0, 1900)), int(rng.integers(1, 900))
            for _ in range(2):
                block = image.read(lba, count)
                assert np.array_equal(block.data, source.tracks[1][lba : lba + len(block)])
                lba, count = (block.end, count) if block.end < 1900 else (0, count)


def test_what_is_read_belongs_to_the_reader(tmp_path: Path) -> None:
    source, image = big_disc(tmp_path)
    with image:
        image.read(0, 10).data[:] = 7
        assert np.array_equal(image.read(0, 10).data, source.tracks[1][:10])


def test_a_damaged_hunk_fails_alone(tmp_path: Path) -> None:
    _, image = big_disc(tmp_path)
    with image:
        middle = image.hunks.entries[100]
        at = int(middle["offset"]) + int(middle["length"]) // 2
    raw = bytearray((tmp_path / "big.chd").read_bytes())
    raw[at] ^= 0x10
    (tmp_path / "big.chd").write_bytes(raw)
    with opened(tmp_path / "big.chd") as image:
        failed: list[int] = []
        faults, lba = [], 0
        while lba < 1900:
            block = image.read(lba, 500)
            failed += [lba + int(row) for row in np.flatnonzero(block.states != SectorState.READ)]
            faults += block.faults
            lba = block.end
    assert failed == list(range(800, 808))
    assert [(f.lba, f.count, f.kind) for f in faults] == [(800, 8, FaultKind.MEDIUM)]


def test_a_file_without_its_end_says_so(tmp_path: Path) -> None:
    big_disc(tmp_path)[1].close()
    raw = (tmp_path / "big.chd").read_bytes()
    (tmp_path / "big.chd").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(BadInput, match="cut short"):
        open_image(tmp_path / "big.chd")


def test_a_chd_is_known_by_its_content(tmp_path: Path) -> None:
    written(memory_disc([data(20)]), tmp_path / "x.chd")
    (tmp_path / "x.chd").rename(tmp_path / "x.bin")
    assert identify(tmp_path / "x.bin") is Container.CHD


def test_nothing_is_replaced_unasked_and_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "x.chd").write_bytes(b"precious")
    with pytest.raises(AlreadyThere):
        written(memory_disc([data(20)]), tmp_path / "x.chd")
    task = write_image(memory_disc([data(2000)]), tmp_path / "y.chd", FAST)
    next(task)
    task.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.chd"]


@pytest.mark.parametrize("tag", [b"GDDD", b"AVAV", b"XXXX"])
def test_what_is_no_disc_is_refused_with_a_sentence(tag: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.chd"
    written(memory_disc([data(20)]), path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"CHT2", tag))
    with pytest.raises(BadInput, match="not a disc"):
        open_image(path)


def test_the_sha1s_of_the_header_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.chd"
    written(memory_disc([data(50), audio(30)]), path)
    raw = path.read_bytes()
    for changed, findings in (
        (raw, {"data": True, "data and metadata": True}),
        (raw[:64] + bytes(20) + raw[84:], {"data and metadata": True}),
        (raw[:64] + b"x" + raw[65:], {"data": False, "data and metadata": True}),
        (
            raw.replace(b"POSTGAP:0", b"POSTGAP:1", 1),
            {"data": True, "data and metadata": False},
        ),
        (
            raw[:300] + bytes((raw[300] ^ 1,)) + raw[301:],
            {"data": False, "data and metadata": False},
        ),
    ):
        path.write_bytes(changed)
        with opened(path) as image:
            found = run(image.own_digests())
            assert {one.name: one.actual == one.expected for one in found} == findings
            verdict = run(verify(image, own=image))
        assert verdict.ok == (False not in findings.values())
        assert [hashed.name for hashed in verdict.hashes] == list(findings)


def test_without_libflac_audio_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = memory_disc([data(20), audio(30)])
    monkeypatch.setattr(flac, "library", lambda: None)
    written(source, tmp_path / "without.chd")
    with opened(tmp_path / "without.chd") as image:
        assert_same(image, source)
    monkeypatch.undo()
    samples = (9000 * np.sin(np.arange(30 * 1176) / 40)).astype("<i2")
    source.raw[2] = samples.view(np.uint8).reshape(30, 2352)
    written(source, tmp_path / "song.chd")
    monkeypatch.setattr(flac, "library", lambda: None)
    with pytest.raises(NotAvailable, match="libflac"):
        open_image(tmp_path / "song.chd")


def entry(number: int, **more: object) -> Entry:
    return Entry(number, "AUDIO", 100, **more)  # type: ignore[arg-type]


def test_sessions_are_where_the_file_says_so() -> None:
    blocks = [
        Block(b"CHSE", b"SESSION:1\0"),
        Block(b"CHSE", b"SESSION:1"),
        Block(b"CHSE", b"SESSION:2"),
    ]
    entries = [entry(1), entry(2), entry(3), entry(4)]
    sessions = read_sessions(blocks, 4)
    assert sessions == (1, 1, 2, 2)
    layout = layout_of(entries, sessions=sessions)
    assert [len(session.tracks) for session in layout.sessions] == [2, 2]
    assert layout.sessions[1].start == 200 + 11400


def test_gaps_that_are_not_stored_are_virtual() -> None:
    layout = layout_of([entry(1, postgap=7), entry(2, pregap=30)])
    first, second = layout.tracks
    assert (first.end, first.postgap_virtual) == (107, 7)
    assert second.indexes == (Index(0, 107), Index(1, 137))
    assert (second.pregap_virtual, second.end) == (30, 237)


def test_the_pregap_that_every_disc_has_is_not_one_more() -> None:
    told: list[str] = []
    (track,) = layout_of([Entry(1, "MODE1_RAW", 100, pregap=150)], note=told.append).tracks
    assert (track.start, track.end, len(told)) == (0, 100, 1)


def test_a_note_of_ours_that_does_not_fit_is_left_aside(tmp_path: Path) -> None:
    source = memory_disc([data(20), audio(30)], mcn="4006381333931")
    written(source, tmp_path / "x.chd")
    raw = (tmp_path / "x.chd").read_bytes()
    (tmp_path / "x.chd").write_bytes(raw.replace(b'"end":20', b'"end":19'))
    with opened(tmp_path / "x.chd") as image:
        (warning,) = image.warnings
        assert "left aside" in warning.sentence
        assert image.layout == replace(source.layout, mcn=None)


def test_every_sector_kind_survives_the_loss_of_its_parity(tmp_path: Path) -> None:
    rows = np.concatenate(
        [raw_sectors(mode, 0, 8) for mode in (TrackMode.MODE1, TrackMode.MODE2, TrackMode.MODE0)]
    )
    rows[3, 2100] ^= 1  # P is wrong
    rows[4, 5] ^= 1  # the sync
    rows[10, 2300] ^= 1  # Q is wrong
    rows[12, 15] = 1  # mode 2 with the header of mode 1: its parity is no longer right
    rows[13, 15] = 0x42
    source = memory_disc([data(len(rows))])
    source.raw[1] = rows
    written(source, tmp_path / "x.chd")
    with opened(tmp_path / "x.chd") as image:
        assert_same(image, source)
