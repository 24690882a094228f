# SPDX-License-Identifier: Apache-2.0
"""`tracks`: every sector in one file at most, sample by sample, tagged; and the order of bytes."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Layout, TrackMode, single_track
from imagerd.toolkit.endianness import SwappedAudio, looks_swapped
from imagerd.toolkit.tags import tags_of
from imagerd.toolkit.tracks import Form, Gaps, TracksOptions, extract
from tests.judges import ask
from tests.sources import MemorySource, audio, data, memory_disc
from tests.strategies_formats import layouts
from tests.toolkit_images import write_cue

ALBUM = (audio(40, pregap=15), audio(30, pregap=10, isrc="DEA371500001"), audio(25))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def album() -> MemorySource:
    from dataclasses import replace

    disc = memory_disc(ALBUM, mcn="4006408130000")
    texts = [
        Text(0, PackType.TITLE, 0, "Das Album"),
        Text(0, PackType.PERFORMER, 0, "Künstler"),
        Text(0, PackType.TITLE, 2, "Zweites Stück"),
    ]
    for number, rows in disc.raw.items():  # no silence: every sector tells where it came from
        rows[:] = np.random.default_rng(number).integers(0, 256, rows.shape, np.uint8)
    return MemorySource(replace(disc.layout, cd_text=build(texts, 3)), disc.raw)


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 2, 44100)
        return file.readframes(file.getnframes())


def whole(disc: MemorySource, first: int, stop: int) -> bytes:
    joined = np.concatenate([disc.raw[number] for number in sorted(disc.raw)])
    return joined[first:stop].tobytes()


def test_appended_gaps_end_the_track_before_and_nothing_is_lost(tmp_path: Path) -> None:
    disc = album()
    result = run(extract(disc, tmp_path, "a"))
    cuts = [(0, 0, 15), (1, 15, 50), (2, 50, 70), (3, 70, 95)]
    for (number, first, stop), file in zip(cuts, result.files, strict=True):
        assert file.number == number
        assert file.file.path.name == f"a (Track {number}).wav"
        assert samples(file.file.path) == whole(disc, first, stop)
    assert result.left_out == ()


def test_prepended_and_dropped_gaps(tmp_path: Path) -> None:
    disc = album()
    run(extract(disc, tmp_path, "p", TracksOptions(gaps=Gaps.PREPEND)))
    assert samples(tmp_path / "p (Track 2).wav") == whole(disc, 40, 70)
    result = run(extract(disc, tmp_path, "d", TracksOptions(gaps=Gaps.DROP)))
    assert samples(tmp_path / "d (Track 1).wav") == whole(disc, 15, 40)
    assert result.left_out == (
        "15 sectors of pregap of track 1",
        "10 sectors of pregap of track 2",
    )


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(layout=layouts(), form=st.sampled_from([Form.WAV, Form.BIN]), gaps=st.sampled_from(Gaps))
def test_every_stored_sector_is_in_one_file_or_told(
    tmp_path_factory: pytest.TempPathFactory, layout: Layout, form: Form, gaps: Gaps
) -> None:
    raw = {
        t.number: np.random.default_rng(t.number).integers(
            0, 256, (t.end - t.start, 2352), np.uint8
        )
        for t in layout.tracks
    }
    disc = MemorySource(layout, raw)
    wanted = TracksOptions(form=form, gaps=gaps)
    folder = tmp_path_factory.mktemp("x")
    if form is Form.WAV and all(track.is_data for track in layout.tracks):
        return
    result = run(extract(disc, folder, "x", wanted))
    written = sorted(lba for file in result.files for piece in file.pieces for lba in piece)
    assert len(written) == len(set(written))
    stored = {
        lba
        for track in layout.tracks
        if form is Form.BIN or not track.is_data
        for lba in track.stored_range
    }
    assert set(written) <= stored
    if gaps is Gaps.PREPEND or (form is Form.BIN and not result.left_out):
        assert set(written) == stored
    for file in result.files:
        body = file.file.path.read_bytes() if form is Form.BIN else samples(file.file.path)
        rows = [disc.read(lba, 1).data[0].tobytes() for piece in file.pieces for lba in piece]
        assert body == b"".join(rows)


def test_flac_holds_the_samples_and_the_tags_by_the_judgement_of_flac(tmp_path: Path) -> None:
    disc = album()
    result = run(extract(disc, tmp_path, "a", TracksOptions(form=Form.FLAC)))
    cuts = {0: (0, 15), 1: (15, 50), 2: (50, 70), 3: (70, 95)}
    for file in result.files:
        path = file.file.path
        ask("flac", "-t", "--warnings-as-errors", path)
        ask("flac", "-d", "-f", "-o", tmp_path / "back.wav", path)
        assert samples(tmp_path / "back.wav") == whole(disc, *cuts[file.number])
    told = ask("metaflac", "--export-tags-to=-", tmp_path / "a (Track 2).flac")
    assert set(told.splitlines()) == {
        "TITLE=Zweites Stück",
        "ARTIST=Künstler",
        "ALBUM=Das Album",
        "ALBUMARTIST=Künstler",
        "TRACKNUMBER=2",
        "TRACKTOTAL=3",
        "ISRC=DEA371500001",
        "MCN=4006408130000",
    }
    ask("metaflac", "--set-tag=COMMENT=new", tmp_path / "a (Track 2).flac")
    ask("flac", "-t", tmp_path / "a (Track 2).flac")


def test_wave_files_carry_their_tags_behind_the_samples(tmp_path: Path) -> None:
    run(extract(album(), tmp_path, "a", TracksOptions(tracks=(2,))))
    body = (tmp_path / "a (Track 2).wav").read_bytes()
    assert int.from_bytes(body[4:8], "little") == len(body) - 8
    assert b"INAM" in body and "Zweites Stück".encode() in body
    assert b"ISRC DEA371500001; MCN 4006408130000" in body


def test_of_a_disc_that_says_nothing_only_the_number_is_told() -> None:
    layout = single_track(5, TrackMode.AUDIO)
    assert tags_of(layout, 1) == (("TRACKNUMBER", "1"), ("TRACKTOTAL", "1"))


def test_data_is_left_out_of_audio_and_is_what_bin_is_for(tmp_path: Path) -> None:
    disc = memory_disc([data(30), audio(20, pregap=5), data(10)])
    sheet = write_cue(tmp_path, disc)
    told = imagerctl("tracks", sheet, "--into", tmp_path / "w", "--json")
    assert told.exit_code == 0
    left = json.loads(told.stdout)["result"]["left_out"]
    assert left == ["data track 1", "5 sectors of pregap of track 2", "data track 3"]
    assert imagerctl("tracks", sheet, "--into", tmp_path / "b", "--as", "bin").exit_code == 0
    for number in (1, 2, 3):
        body = (tmp_path / "b" / f"disc (Track {number}).bin").read_bytes()
        assert body == disc.raw[number].tobytes()
    refused = imagerctl("tracks", sheet, "--into", tmp_path / "w", "--track", "1")
    assert refused.exit_code == 2 and "Track 1 is data" in refused.stderr
    assert imagerctl("tracks", sheet, "--into", tmp_path / "w", "--track", "9").exit_code == 2
    again = imagerctl("tracks", sheet, "--into", tmp_path / "w")
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_unreadable_audio_is_silent_and_listed(tmp_path: Path) -> None:
    disc = memory_disc([audio(20)], bad=frozenset({7}))
    result = run(extract(disc, tmp_path, "a"))
    assert not result.ok and result.unreadable.ranges == (range(7, 8),)
    body = samples(tmp_path / "a (Track 1).wav")
    assert body[7 * 2352 : 8 * 2352] == bytes(2352)
    assert body[8 * 2352 :] == disc.raw[1][8:].tobytes()


# -- the order of bytes --------------------------------------------------------------------------


def sound(count: int, seed: int = 3, level: float = 0.3) -> npt.NDArray[np.uint8]:
    """Something like music: a few tones and a little noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(count * 588)
    tones = sum(np.sin(at * f * 2 * np.pi / 44100 + f) for f in rng.uniform(60, 1500, 6)) / 6
    noise = rng.normal(0, 0.002, (len(at), 2))
    wanted = (tones[:, None] + noise) * level * 32767
    return np.clip(wanted, -32768, 32767).astype("<i2").view(np.uint8).reshape(count, 2352)


def of(rows: npt.NDArray[np.uint8]) -> MemorySource:
    return MemorySource(single_track(len(rows), TrackMode.AUDIO), {1: rows})


@pytest.mark.parametrize("level", [0.01, 0.3, 0.95])
def test_swapped_sound_is_noticed_and_right_sound_is_not(level: float) -> None:
    disc = of(sound(200, level=level))
    assert looks_swapped(disc) == ()
    assert looks_swapped(SwappedAudio(disc)) == (1,)


def test_noise_silence_and_data_are_never_called_swapped() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 2352), np.uint8)
    assert looks_swapped(of(noise)) == ()
    assert looks_swapped(of(np.zeros((100, 2352), np.uint8))) == ()
    assert looks_swapped(memory_disc([data(40)])) == ()


def test_swapping_twice_is_nothing_and_leaves_data_alone() -> None:
    disc = memory_disc([data(20), audio(20)])
    twice = SwappedAudio(SwappedAudio(disc))
    once = SwappedAudio(disc)
    assert (once.read(0, 20).data == disc.raw[1]).all()
    assert (once.read(20, 20).data[:, ::2] == disc.raw[2][:, 1::2]).all()
    assert (twice.read(20, 20).data == disc.raw[2]).all()
    assert once.read(15, 20).end == 20


def test_convert_warns_of_swapped_audio_and_puts_it_right(tmp_path: Path) -> None:
    right = of(sound(100))
    wrong = of(SwappedAudio(right).read(0, 100).data)
    sheet = write_cue(tmp_path, wrong)
    warned = imagerctl("convert", sheet, tmp_path / "same.cue")
    assert "audio of track 1 looks as if its bytes were exchanged" in warned.stdout
    mended = imagerctl("convert", "--swap", "--verify", sheet, tmp_path / "right.cue")
    assert mended.exit_code == 0 and "exchanged" not in mended.stdout
    assert (tmp_path / "right.bin").read_bytes() == right.raw[1].tobytes()
