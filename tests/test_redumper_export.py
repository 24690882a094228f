# SPDX-License-Identifier: Apache-2.0
"""Sets for redumper: its split gives the tracks again, and no state is better than ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.base.progress import run
from imagerd.devices.virtual.toc import TocReplies
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import DiscType, Layout, SectorFormat, TrackMode
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorState
from imagerd.formats.written import MARKER
from imagerd.recovery.job import TocRecord
from imagerd.sectors.subgen import build_sub
from imagerd.toolkit.redumper.export import ExportResult, export_redumper
from imagerd.toolkit.redumper.placing import FILE_START, Scram
from imagerd.toolkit.redumper.states import State
from imagerd.toolkit.redumper.writing import ExportOptions, Provenance
from tests import redumper_judge as judge
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc

MODE2 = TrackMode.MODE2
SUFFIXES = ("scram", "state", "subcode", "toc", "fulltoc", "cdtext", "log")


class Told:
    """A source with states as `states` tells, and with subchannel if `sub` says so."""

    def __init__(
        self,
        inner: MemorySource,
        states: dict[int, SectorState] | None = None,
        *,
        sub: bool = True,
        layout: Layout | None = None,
    ) -> None:
        self.inner, self.states, self.sub = inner, states or {}, sub
        self._layout = layout or inner.layout

    @property
    def layout(self) -> Layout:
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        block = self.inner.read(lba, count)
        states, rows = block.states.copy(), block.data.copy()
        faults = []
        for row in range(len(block)):
            states[row] = self.states.get(lba + row, states[row])
            if states[row] <= SectorState.FAILED:
                rows[row] = 0x55
                faults.append(Fault(lba + row, 1, FaultKind.MEDIUM))
        sub = build_sub(self.inner.layout, lba, len(block)) if self.sub else None
        return replace(block, data=rows, states=states, sub=sub, faults=tuple(faults))

    def close(self) -> None:
        pass


def _export(
    folder: Path,
    source: Told | MemorySource,
    options: ExportOptions | None = None,
    known: Provenance | None = None,
) -> ExportResult:
    return run(export_redumper(source, folder / "disc", options, known))


def _tracks(source: MemorySource) -> list[bytes]:
    return [source.raw[track.number].tobytes() for track in source.layout.tracks]


DISCS = {
    "data": [data(400)],
    "audio": [audio(200), audio(300, pregap=150), audio(90, pregap=40)],
    "mixed": [data(320), audio(300, pregap=150), audio(160)],
    "mode 2": [TrackPlan(MODE2, 300, form2=3), audio(150, pregap=30)],
    "three sessions": [
        audio(160),
        audio(200, pregap=75),
        data(170, session=2),
        TrackPlan(MODE2, 200, session=3, form2=1),
    ],
    "hidden track": [audio(400, pregap=210), audio(100)],
}


@pytest.mark.parametrize("name", DISCS)
def test_split_gives_the_tracks_of_the_source(name: str, tmp_path: Path) -> None:
    disc = memory_disc(DISCS[name], seed=5)
    result = _export(tmp_path, Told(disc))
    assert result.ok
    done = judge.split(tmp_path / "disc")
    assert done.offset == 0
    assert [track.data for track in done.tracks] == _tracks(disc)
    assert [track.number for track in done.tracks] == [t.number for t in disc.layout.tracks]
    assert not any(track.errors for track in done.tracks)


def test_what_the_drive_said_of_the_disc_is_written_as_it_came(tmp_path: Path) -> None:
    disc = memory_disc(DISCS["mixed"], seed=5)
    kept = TocRecord(b"\0\x0atracks and", b"\0\x0bthe full toc", b"", b"\0\x07atip", b"\0\x02text")
    result = _export(tmp_path, Told(disc), known=Provenance(replies=kept))
    for suffix, reply in (("toc", kept.tracks), ("fulltoc", kept.full), ("atip", kept.atip),
                          ("cdtext", kept.cd_text)):  # fmt: skip
        assert (tmp_path / f"disc.{suffix}").read_bytes() == reply
    assert not (tmp_path / "disc.pma").exists(), "the drive gave none"
    assert not any("READ TOC" in note for note in result.notes)


def test_a_toc_that_the_drive_did_not_give_is_made_and_said_to_be(tmp_path: Path) -> None:
    disc = memory_disc(DISCS["mixed"], seed=5)
    full = TocReplies(disc.layout).full(1)
    assert full is not None
    result = _export(tmp_path, Told(disc), known=Provenance(replies=TocRecord(full=full)))
    assert any("format 0: .toc is made" in note for note in result.notes)
    assert (tmp_path / "disc.fulltoc").read_bytes() == full
    assert not (tmp_path / "disc.cdtext").exists()
    assert [track.data for track in judge.split(tmp_path / "disc").tracks] == _tracks(disc)


def test_data_lies_scrambled_at_its_place(tmp_path: Path) -> None:
    disc = memory_disc([data(160)], seed=6)
    _export(tmp_path, Told(disc))
    with (tmp_path / "disc.scram").open("rb") as stream:
        stream.seek((45150 + 7) * 2352)
        sector = stream.read(2352)
    raw = disc.raw[1][7].tobytes()
    assert sector[:12] == raw[:12]
    assert sector[12:16] == bytes(
        a ^ b for a, b in zip(raw[12:16], (1, 0x80, 0, 0x60), strict=True)
    )
    assert judge.turn(sector) == raw


def test_without_subchannel_it_is_empty_unless_it_is_to_be_made(tmp_path: Path) -> None:
    disc = memory_disc(DISCS["mixed"], seed=7)
    result = _export(tmp_path, Told(disc, sub=False))
    assert any("No subchannel was kept" in note for note in result.notes)
    sub = (tmp_path / "disc.subcode").read_bytes()
    assert len(sub) == (45150 + disc.layout.end) * 96
    assert not any(sub)
    starts = [track.start for track in judge.split(tmp_path / "disc").tracks]
    assert starts == [0, 320, 470], "150 before INDEX 01, as redumper does without Q"

    (tmp_path / "made").mkdir()
    made = _export(tmp_path / "made", Told(disc, sub=False), ExportOptions(make_subcode=True))
    assert any("made of the layout" in note for note in made.notes)
    done = judge.split(tmp_path / "made" / "disc")
    assert [track.data for track in done.tracks] == _tracks(disc)


def test_subchannel_that_was_read_is_never_made_over(tmp_path: Path) -> None:
    disc = memory_disc([audio(100)], seed=8)
    asked = _export(tmp_path, Told(disc), ExportOptions(make_subcode=True))
    assert not any("subchannel" in note for note in asked.notes)
    sub = (tmp_path / "disc.subcode").read_bytes()
    assert sub[45150 * 96 :] == build_sub(disc.layout, 0, 100).tobytes()
    assert not any(sub[: 45150 * 96])


states = st.dictionaries(st.integers(0, 519), st.sampled_from(list(SectorState)), max_size=40)


@settings(max_examples=25, deadline=None)
@given(
    states=states,
    read_offset=st.integers(-1300, 1300),
    write_offset=st.integers(-1300, 1300),
)
def test_no_sample_is_better_than_its_sector(
    tmp_path_factory: pytest.TempPathFactory,
    states: dict[int, SectorState],
    read_offset: int,
    write_offset: int,
) -> None:
    folder = tmp_path_factory.mktemp("set")
    disc = memory_disc([data(220), audio(200, pregap=60), data(100)], seed=9)
    told = Told(disc, states)
    result = _export(folder, told, ExportOptions(False, read_offset, write_offset))
    files = judge.Set(folder / "disc")
    best = np.zeros(len(files.state), np.uint8)
    at_all = np.zeros((2, len(files.state)), np.int64)
    for track in disc.layout.tracks:
        shift = write_offset if track.is_data else -read_offset
        for lba in range(track.start, track.end):
            known = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4}[states.get(lba, SectorState.READ)]
            if track.is_data and states.get(lba, SectorState.READ) == SectorState.READ:
                known = 4  # its EDC proves it
            at = (lba - judge.NEAR) * 588 + shift
            best[at : at + 588] = np.maximum(best[at : at + 588], known)
            at_all[int(track.is_data), at : at + 588] += known > 1
    state = np.frombuffer(files.state, np.uint8)
    assert (state <= best).all()
    alone = ~at_all.astype(bool).all(axis=0)
    assert (state == best)[alone].all(), "and none worse, but where data and audio meet"
    assert not np.frombuffer(files.scram, np.uint32)[state == 0].any(), "nothing is told unknown"
    assert result.ok == (not result.counts["error_skip"] and not result.counts["error_c2"])


@pytest.mark.parametrize("write_offset", [-588, -30, 0, 12, 667])
def test_split_finds_the_write_offset_and_moves_audio_with_it(
    write_offset: int, tmp_path: Path
) -> None:
    disc = memory_disc([data(300), audio(200)], seed=10)
    _export(tmp_path, Told(disc), ExportOptions(write_offset=write_offset))
    done = judge.split(tmp_path / "disc")
    assert done.offset == write_offset
    whole = b"".join(_tracks(disc))[300 * 2352 :]
    got = done.tracks[1].data
    inside = slice(5 * 2352, 190 * 2352)
    assert got[inside] == whole[inside.start + 4 * write_offset : inside.stop + 4 * write_offset]
    good = {lba for lba in range(300) if lba not in done.tracks[0].errors}
    assert good >= set(range(297))
    for lba in good:
        assert done.tracks[0].data[lba * 2352 : (lba + 1) * 2352] == disc.raw[1][lba].tobytes()


@pytest.mark.parametrize("read_offset", [-600, -6, 6, 30, 1200])
def test_audio_as_a_drive_gave_it_is_put_right(read_offset: int, tmp_path: Path) -> None:
    """A drive listed with +n delivers sample i at position i + n (AccurateRip)."""
    disc = memory_disc([audio(60)], seed=11)
    true = disc.raw[1].reshape(-1)
    late = np.roll(true, read_offset * 4).reshape(-1, 2352)
    gave = MemorySource(disc.layout, {1: late})
    _export(tmp_path, Told(gave), ExportOptions(read_offset=read_offset))
    done = judge.split(tmp_path / "disc")
    (track,) = done.tracks
    edge = -(-abs(read_offset) // 588)
    lost = range(60 - edge, 60) if read_offset > 0 else range(edge)
    assert set(track.errors) == set(lost), "what the drive did not deliver is not known"
    for lba in set(range(60)) - set(lost):
        assert track.data[lba * 2352 :][:2352] == disc.raw[1][lba].tobytes()


@pytest.mark.parametrize("corrected", [-700, 12])
def test_silence_put_in_by_our_correction_is_not_called_read(
    corrected: int, tmp_path: Path
) -> None:
    disc = memory_disc([data(200), audio(100)], seed=12)
    result = _export(tmp_path, Told(disc), known=Provenance(corrected))
    assert result.counts["error_skip"] == abs(corrected)
    files = judge.Set(tmp_path / "disc")
    begin = (300 - judge.NEAR) * 588 - corrected if corrected > 0 else (200 - judge.NEAR) * 588
    part = files.state[begin : begin + abs(corrected)]
    assert set(part) == {State.ERROR_SKIP}
    assert files.state.count(0, (200 - judge.NEAR) * 588) == abs(corrected)
    with pytest.raises(BadInput, match="taken out of this image already"):
        _export(tmp_path, Told(disc), ExportOptions(read_offset=6), Provenance(corrected))


def test_a_data_sector_in_the_pause_of_an_audio_track_is_scrambled_too(tmp_path: Path) -> None:
    """A layout out of the TOC alone gives the pause before a data track to the audio."""
    disc = memory_disc([audio(100), data(200)], seed=13)
    first, second = disc.layout.tracks
    tracks = (
        replace(first, end=150),
        replace(second, indexes=(replace(second.indexes[0], lba=150),)),
    )
    layout = replace(disc.layout, sessions=(replace(disc.layout.sessions[0], tracks=tracks),))
    moved = MemorySource(
        layout, {1: np.concatenate((disc.raw[1], disc.raw[2][:50])), 2: disc.raw[2][50:]}
    )
    _export(tmp_path, Told(moved, sub=False), ExportOptions(write_offset=33))
    files = judge.Set(tmp_path / "disc")
    for lba in (100, 120, 150, 250):
        assert judge.descrambled(files.sector(lba, 33)[0], lba) == disc.raw[2][lba - 100].tobytes()


def test_rows_of_a_data_track_that_are_no_data_come_back_as_they_are(tmp_path: Path) -> None:
    disc = memory_disc([data(200)], seed=14)
    raw = disc.raw[1]
    raw[21] = np.random.default_rng(1).integers(0, 256, 2352, np.uint8)
    raw[22, :12] = 0  # a damaged sync at the right address
    raw[23] = np.frombuffer(judge.turn(raw[23].tobytes()), np.uint8)  # came scrambled
    raw[24, 15] = 0x61  # no such mode: on the disc all the same
    right = raw.copy()
    right[23] = memory_disc([data(200)], seed=14).raw[1][23]
    _export(tmp_path, Told(disc))
    (track,) = judge.split(tmp_path / "disc").tracks
    assert track.data == right.tobytes()


def test_what_looks_like_filling_is_not_called_read(tmp_path: Path) -> None:
    """Images of other programs hold it for what could not be read, and nobody remembers where."""
    disc = memory_disc([data(200), audio(100)], seed=17)
    raw = disc.raw[1]
    raw[20] = 0
    raw[21] = np.frombuffer((MARKER * 100)[:2352], np.uint8)
    raw[22, 16:] = 0x55  # redumper and DIC: sync and address, then this
    disc.raw[2][50] = 0  # silence is what audio may well hold
    result = _export(tmp_path, Told(disc))
    assert any(note.startswith("3 sectors look like filling") for note in result.notes)
    data_track, audio_track = judge.split(tmp_path / "disc").tracks
    assert data_track.errors == {lba: [State.ERROR_SKIP] for lba in (20, 21, 22)}
    assert not audio_track.errors


@pytest.mark.parametrize("mode", [TrackMode.MODE1, MODE2])
def test_our_marker_is_seen_in_short_sectors_too(mode: TrackMode, tmp_path: Path) -> None:
    disc = memory_disc([data(160, mode, stored=SectorFormat.USER)], seed=18)
    disc.raw[1][30] = np.frombuffer((MARKER * 100)[:2048], np.uint8)
    result = _export(tmp_path, disc)
    assert result.counts["error_skip"] == 588
    blocks = memory_blocks(60)
    blocks.raw[1][7] = np.frombuffer((MARKER * 100)[:2048], np.uint8)
    (tmp_path / "dvd").mkdir()
    assert _export(tmp_path / "dvd", blocks).counts["error_skip"] == 1


def test_a_wrong_edc_and_a_generated_one_prove_nothing(tmp_path: Path) -> None:
    disc = memory_disc([data(160)], seed=15)
    disc.raw[1][9, 600] ^= 1
    _export(tmp_path, Told(disc))
    files = judge.Set(tmp_path / "disc")
    assert set(files.sector(9, 0)[1]) == {State.SUCCESS_C2_OFF}
    assert set(files.sector(10, 0)[1]) == {State.SUCCESS}
    (tmp_path / "short").mkdir()
    short = memory_disc([data(160, stored=SectorFormat.USER)], seed=15)
    result = _export(tmp_path / "short", short)
    assert result.counts["success"] == 0
    assert any("generated" in note for note in result.notes)


def test_gaps_that_are_in_no_file_are_not_called_read(tmp_path: Path) -> None:
    disc = memory_disc([data(200), audio(300, pregap=150, pregap_virtual=150)], seed=16)
    result = _export(tmp_path, Told(disc))
    assert result.counts["error_skip"] == 150 * 588
    files = judge.Set(tmp_path / "disc")
    assert set(files.sector(349, 0)[1]) == {State.ERROR_SKIP}
    assert set(files.sector(350, 0)[1]) == {State.SUCCESS_C2_OFF}


def test_the_replies_of_the_toc_have_their_headers(tmp_path: Path) -> None:
    disc = memory_disc(DISCS["three sessions"], disc_type=DiscType.XA)
    text = build([Text(0, PackType.TITLE, 0, "Noise")], 4)
    layout = replace(disc.layout, cd_text=text)
    result = _export(tmp_path, Told(disc, layout=layout))
    toc = (tmp_path / "disc.toc").read_bytes()
    assert toc[:4] == bytes((0, 4 * 8 + 8 + 2, 1, 4))
    assert toc[4:12] == bytes((0, 0x10, 1, 0, 0, 0, 0, 0)), "an LBA, not MSF"
    full = (tmp_path / "disc.fulltoc").read_bytes()
    assert full[2:4] == bytes((1, 3))
    assert full[4:15] == bytes((1, 0x10, 0, 0xA0, 0, 0, 0, 0, 1, 0x20, 0))
    cdtext = (tmp_path / "disc.cdtext").read_bytes()
    assert cdtext[4:] == text.packs
    assert int.from_bytes(cdtext[:2], "big") == len(text.packs) + 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in result.files}
    assert names == {f"disc.{suffix}" for suffix in SUFFIXES}


def test_the_lead_in_and_the_gaps_between_sessions_take_no_room(tmp_path: Path) -> None:
    disc = memory_disc(DISCS["three sessions"])
    _export(tmp_path, Told(disc))
    for name, size in (("scram", 2352), ("state", 588), ("subcode", 96)):
        stat = (tmp_path / f"disc.{name}").stat()
        assert stat.st_size == (45150 + disc.layout.end) * size
        assert stat.st_blocks * 512 < (disc.layout.sectors + 300) * size + 200_000


def test_nothing_is_replaced_unasked_and_nothing_left_after_an_error(tmp_path: Path) -> None:
    disc = memory_disc([audio(40)])
    (tmp_path / "disc.toc").write_bytes(b"mine")
    with pytest.raises(AlreadyThere):
        _export(tmp_path, Told(disc))
    assert [path.name for path in tmp_path.iterdir()] == ["disc.toc"]
    _export(tmp_path, Told(disc), ExportOptions(overwrite=True))
    assert (tmp_path / "disc.toc").read_bytes() != b"mine"


@pytest.mark.parametrize("suffix", ["log", "iso"])
def test_what_is_in_the_way_is_told_before_the_disc_is_read(suffix: str, tmp_path: Path) -> None:
    """A .iso beside it makes redumper take the set for a DVD's."""
    disc = memory_disc([audio(40)])
    (tmp_path / f"disc.{suffix}").write_bytes(b"mine")
    with pytest.raises(AlreadyThere):
        _export(tmp_path, disc)
    assert disc.reads == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"disc.{suffix}"]


def test_the_log_says_that_it_is_not_of_redumper(tmp_path: Path) -> None:
    known = Provenance(facts=(("source", "x\nredumper v2026: faked"),))
    _export(tmp_path, Told(memory_disc([data(160)]), {3: SectorState.FAILED}), known=known)
    lines = (tmp_path / "disc.log").read_text().splitlines()
    assert lines[0].startswith("imagerd ")
    assert "This is no log of redumper, and the disc was not read by it." in "\n".join(lines)
    assert not any(line.startswith("redumper v") for line in lines)
    assert "  ERROR_SKIP: 588 samples" in lines


def test_a_dvd_is_an_iso_with_a_state_for_each_sector(tmp_path: Path) -> None:
    disc = memory_blocks(700, layers=(350,))
    bad = {5: SectorState.FAILED, 6: SectorState.UNREAD, 7: SectorState.SUSPECT}
    told = Told(disc, {**bad, 8: SectorState.PROVEN}, sub=False)
    result = _export(tmp_path, told, known=Provenance(accounted=True))
    right = disc.raw[1].copy()
    right[5:7] = 0
    assert (tmp_path / "disc.iso").read_bytes() == right.tobytes()
    state = (tmp_path / "disc.state").read_bytes()
    assert state == bytes(0 if lba in bad else 4 for lba in range(700))
    assert not result.ok
    assert any(".physical" in note for note in result.notes)
    assert "layer break: 350" in (tmp_path / "disc.log").read_text()
    (tmp_path / "other").mkdir()
    _export(tmp_path / "other", Told(disc, sub=False))
    assert set((tmp_path / "other" / "disc.state").read_bytes()) == {State.SUCCESS_SCSI_OFF}
    with pytest.raises(BadInput, match="no samples to move"):
        _export(tmp_path, told, ExportOptions(True, read_offset=6))


def test_runs_that_overlap_are_put_together_whatever_their_lengths(tmp_path: Path) -> None:
    """A run shorter than the shift lies wholly in what was written before."""
    with (tmp_path / "scram").open("wb") as scram, (tmp_path / "state").open("wb") as state:
        files = Scram(scram, state, 100)
        files.place(FILE_START, np.full(1000, 7, np.uint32), np.full(1000, 4, np.uint8))
        files.place(FILE_START + 900, np.full(50, 8, np.uint32), np.full(50, 2, np.uint8))
        files.place(FILE_START + 950, np.full(100, 8, np.uint32), np.full(100, 4, np.uint8))
        files.finish(FILE_START + 2000)
    states = (tmp_path / "state").read_bytes()
    samples = np.fromfile(tmp_path / "scram", np.uint32)
    assert len(states) == len(samples) == 2000
    assert states[:950] == b"\4" * 950
    assert states[950:1000] == b"\1" * 50, "what differs and is equally good proves neither"
    assert states[1000:1050] == b"\4" * 50
    assert files.disputed == 50
    assert samples[:950].tolist() == [7] * 950
    assert not any(states[1050:])


def test_memory_does_not_grow_with_the_disc(tmp_path: Path) -> None:
    """Blocks are bounded: no read is larger than a batch."""
    disc = memory_disc([data(3000)])
    asked: list[int] = []

    class Watched(Told):
        def read(self, lba: int, count: int) -> Sectors:
            asked.append(count)
            return super().read(lba, count)

    _export(tmp_path, Watched(disc))
    assert max(asked) <= 512
    assert sum(asked) >= 3000
    assert (tmp_path / "disc.state").stat().st_size == (45150 + 3000) * 588
