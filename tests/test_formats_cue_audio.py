# SPDX-License-Identifier: Apache-2.0
"""Compressed audio behind a cue sheet: the very samples, in any order of reading, or not at all."""

from __future__ import annotations

import sys
import wave
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import AlreadyThere, BadInput, NotAvailable
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.ranges import Extent
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, WrittenImage, open_image, write_image
from imagerd.formats.audiofile import open_audio
from imagerd.toolkit.verify import verify
from tests.discs_formats import read_all
from tests.judges import ask
from tests.sources import MemorySource, TrackPlan, audio, data, memory_disc
from tests.test_tracks import sound

soundfile = pytest.importorskip("soundfile")

SHEET = """FILE "data.bin" BINARY
  TRACK 01 MODE1/2352
    INDEX 01 00:00:00
FILE "{name}" {kind}
  TRACK 02 AUDIO
    INDEX 00 00:00:00
    INDEX 01 00:00:10
  TRACK 03 AUDIO
    INDEX 01 00:01:00
"""


def wav(path: Path, rows: npt.NDArray[np.uint8]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(rows.tobytes())
    return path


def flac(folder: Path, rows: npt.NDArray[np.uint8], *options: str) -> Path:
    """A FLAC file by the reference encoder."""
    target = folder / "track.flac"
    ask("flac", "-f", "-s", *options, "-o", target, wav(folder / "pcm.wav", rows))
    return target


def encoded(folder: Path, rows: npt.NDArray[np.uint8], form: str) -> Path:
    target = folder / f"track.{form.lower()}"
    samples = rows.view("<i2").reshape(-1, 2)
    soundfile.write(target, samples, 44100, format=form)
    return target


def sheet(folder: Path, audio: Path, kind: str = "WAVE") -> Path:
    from tests.sources import data, memory_disc

    disc = memory_disc([data(20)])
    (folder / "data.bin").write_bytes(disc.raw[1].tobytes())
    path = folder / "x.cue"
    path.write_text(SHEET.format(name=audio.name, kind=kind))
    return path


@pytest.mark.parametrize("kind", ["WAVE", "FLAC"])
@pytest.mark.parametrize("options", [("-8",), ("-0", "-b", "576"), ("-5", "--no-seektable")])
def test_flac_gives_the_very_samples(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    rows = sound(200)
    with open_image(sheet(tmp_path, flac(tmp_path, rows, *options), kind)) as image:  # type: ignore[attr-defined]
        assert [track.start for track in image.layout.tracks] == [0, 20, 95]
        assert image.layout.end == 220
        block = image.read(20, 200)
        assert (block.data == rows).all()
        assert not image.warnings or kind == "FLAC"


@cache
def kept(form: str) -> bytes:
    with TemporaryDirectory() as folder:
        return encoded(Path(folder), sound(200), form).read_bytes()


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(reads=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), max_size=8))
@pytest.mark.parametrize("form", ["FLAC", "AIFF", "OGG", "MP3"])
def test_any_order_of_reading_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, form: str, reads: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("x") / f"a.{form}"
    path.write_bytes(kept(form))
    file = open_audio(path)
    whole, there = file.rows(0, 200, 2352)
    assert there == 200
    for first, count in reads:
        count = min(count, 200 - first)
        part, got = file.rows(first * 2352, count, 2352)
        assert got == count and (part == whole[first : first + count]).all()
        assert file.peek(first * 2352 + 3, 9) == whole.tobytes()[first * 2352 + 3 :][:9]
    file.close()


@pytest.mark.parametrize("form", ["OGG", "MP3"])
def test_lossy_audio_opens_with_a_warning_and_sounds_alike(tmp_path: Path, form: str) -> None:
    rows = sound(200)
    with open_image(sheet(tmp_path, encoded(tmp_path, rows, form), form)) as image:  # type: ignore[attr-defined]
        assert any("lost some of the sound" in str(w) for w in image.warnings)
        block = image.read(60, 100)
    if form == "MP3":
        return  # an encoder of MP3 delays the sound
    was = rows[40:140].view("<i2").astype(np.int32)
    now = block.data.view("<i2").astype(np.int32)
    assert np.abs(was - now).mean() < np.abs(was).mean() / 10


def test_aiff_gives_the_very_samples(tmp_path: Path) -> None:
    rows = sound(120)
    with open_image(sheet(tmp_path, encoded(tmp_path, rows, "AIFF"), "AIFF")) as image:  # type: ignore[attr-defined]
        assert (image.read(20, 120).data == rows).all()


def test_a_last_partial_sector_is_filled_with_silence(tmp_path: Path) -> None:
    rows = sound(100)
    samples = rows.reshape(-1)[: 100 * 2352 - 400]
    with open_image(sheet(tmp_path, flac(tmp_path, samples))) as image:  # type: ignore[attr-defined]
        block = image.read(20, 100)
        assert len(block) == 100 and (block.states >= SectorState.READ).all()
        assert block.data.tobytes() == samples.tobytes() + bytes(400)


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0.1, 0.98), flip=st.integers(1, 255))
def test_a_damaged_frame_is_never_passed_as_good(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("x")
    rows = sound(120)
    path = flac(folder, rows)
    body = bytearray(path.read_bytes())
    body[int(place * len(body))] ^= flip
    path.write_bytes(body)
    file = open_audio(path)
    lost = []
    for row in range(120):
        data, there = file.rows(row * 2352, 1, 2352)
        if there:
            assert (data == rows[row : row + 1]).all()
        else:
            lost.append(row)
    assert lost and len(lost) <= 24  # a frame has 4096 samples: seven sectors, eight at most
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert file.lost_rows(lost[0] * 2352, 2352) in (len(lost), 1 << 62)  # to the end: all
    file.close()


def test_a_disc_with_a_damaged_frame_has_faults_there_and_nowhere_else(tmp_path: Path) -> None:
    rows = sound(120)
    path = flac(tmp_path, rows)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(body)
    with open_image(sheet(tmp_path, path)) as image:  # type: ignore[attr-defined]
        verdict = run(verify(image))
        lost = Extent.of(r for track in verdict.sectors.tracks for r in track.unreadable.ranges)
        assert not verdict.ok and 1 <= lost.count <= 24
        made = run(write_image(image, tmp_path / "out.cue", WriteOptions(sync=False)))
    assert Extent.of(made.bad) == lost
    out = np.frombuffer((tmp_path / "out.bin").read_bytes(), np.uint8).reshape(-1, 2352)[20:]
    wrong = {20 + int(row) for row in np.flatnonzero((out != rows).any(axis=1))}
    assert wrong == {lba for area in lost.ranges for lba in area}


def test_it_converts_to_a_plain_image(tmp_path: Path) -> None:
    rows = sound(200)
    with open_image(sheet(tmp_path, flac(tmp_path, rows))) as image:  # type: ignore[attr-defined]
        run(write_image(image, tmp_path / "out.cue", WriteOptions(sync=False)))
    assert (tmp_path / "out.bin").read_bytes()[20 * 2352 :] == rows.tobytes()


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "sentence"),
    [
        (48000, 2, "PCM_16", "2 channels at 48000 Hz"),
        (44100, 1, "PCM_16", "1 channels at 44100 Hz"),
        (44100, 2, "PCM_24", "PCM_24; a CD needs 16 bits"),
    ],
)
def test_what_no_cd_holds_is_refused_in_a_sentence(
    tmp_path: Path, rate: int, channels: int, subtype: str, sentence: str
) -> None:
    samples = np.zeros((44100, channels), np.int16)
    soundfile.write(tmp_path / "track.flac", samples, rate, format="FLAC", subtype=subtype)
    with pytest.raises(BadInput, match=sentence):
        open_image(sheet(tmp_path, tmp_path / "track.flac"))


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=300), magic=st.sampled_from([b"fLaC", b"OggS", b"ID3", b"FORM"]))
def test_hostile_audio_is_opened_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, magic: bytes
) -> None:
    folder = tmp_path_factory.mktemp("x")
    (folder / "a.flac").write_bytes(magic + body)
    try:
        with open_image(sheet(folder, folder / "a.flac")) as image:  # type: ignore[attr-defined]
            image.read(image.layout.end - 1, 1)
    except BadInput as error:
        sentence = str(error)
        assert sentence.endswith(".")


def test_without_the_package_a_sentence_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sheet(tmp_path, encoded(tmp_path, sound(100), "FLAC"))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(NotAvailable, match="package soundfile"):
        open_image(path)


# -- written ---------------------------------------------------------------------------------------


def made_as(
    form: str, folder: Path, plans: Sequence[TrackPlan]
) -> tuple[MemorySource, WrittenImage]:
    source = memory_disc(plans)
    for track in source.layout.tracks:
        if not track.is_data:
            source.raw[track.number][5:] = sound(len(source.raw[track.number]) - 5)
    options = WriteOptions(sync=False, variant=(form,))
    return source, run(write_image(source, folder / "x.cue", options))


PLANS = st.lists(
    st.builds(data, st.integers(8, 20))
    | st.builds(audio, st.integers(10, 40), st.sampled_from([0, 3]), indexes=st.just((5,))),
    min_size=1,
    max_size=11,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans=PLANS, form=st.sampled_from(["wav", "flac"]))
def test_any_disc_written_with_audio_files_is_the_same_disc(
    plans: Sequence[TrackPlan], form: str
) -> None:
    with TemporaryDirectory() as name:
        source, written = made_as(form, Path(name), plans)
        image = open_image(Path(name) / "x.cue")
        try:
            assert image.layout == source.layout
            assert image.warnings == ()
            for track in source.layout.tracks:
                area = range(track.start, track.end)
                assert np.array_equal(read_all(image, area), source.raw[track.number])
        finally:
            image.close()
        for track, told in zip(source.layout.tracks, written.tracks, strict=True):
            assert told.digests == digest_bytes(source.raw[track.number].tobytes())
        for file in written.files:
            assert file.digests == digest_bytes(file.path.read_bytes())


def test_flac_and_wave_decode_what_is_written_to_the_same_samples(tmp_path: Path) -> None:
    plans = [data(20), *(audio(30, pregap=2) for _ in range(9))]
    for form in ("wav", "flac"):
        folder = tmp_path / form
        folder.mkdir()
        source, _ = made_as(form, folder, plans)
        names = ["x (Track 01).bin", *(f"x (Track {n:02}).{form}" for n in range(2, 11))]
        assert {path.name for path in folder.iterdir()} == {"x.cue", *names}
        sheet = (folder / "x.cue").read_text()
        assert sheet.count(" BINARY") == 1
        assert sheet.count(f'.{form}" WAVE') == 9
        for number in range(2, 11):
            path = folder / f"x (Track {number:02}).{form}"
            if form == "flac":
                ask("flac", "-t", "-s", path)
                ask("flac", "-d", "-s", "-o", path.with_suffix(".wav"), path)
            with wave.open(str(path.with_suffix(".wav"))) as file:
                assert file.getparams()[:3] == (2, 2, 44100)
                assert file.readframes(file.getnframes()) == source.raw[number].tobytes()


def test_one_track_alone_has_no_number_in_its_name(tmp_path: Path) -> None:
    made_as("flac", tmp_path, [audio(20)])
    assert {path.name for path in tmp_path.iterdir()} == {"x.cue", "x.flac"}


def test_what_exists_is_not_replaced_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "x (Track 2).flac").write_text("a person's")
    with pytest.raises(AlreadyThere):
        made_as("flac", tmp_path, [data(20), audio(20)])
    assert [path.name for path in tmp_path.iterdir()] == ["x (Track 2).flac"]


def test_a_disc_goes_into_flac_and_back_to_the_same_bin(tmp_path: Path) -> None:
    source, _ = made_as("flac", tmp_path, [data(20), audio(30, pregap=5), audio(20)])
    told = CliRunner().invoke(
        cli, ["convert", "--verify", str(tmp_path / "x.cue"), str(tmp_path / "y.cue")]
    )
    assert told.exit_code == 0, told.output
    whole = b"".join(source.raw[track.number].tobytes() for track in source.layout.tracks)
    assert (tmp_path / "y.bin").read_bytes() == whole
    again = [
        "convert",
        "--verify",
        "--as",
        "flac",
        str(tmp_path / "y.cue"),
        str(tmp_path / "z.cue"),
    ]
    assert CliRunner().invoke(cli, again).exit_code == 0
    assert (tmp_path / "z (Track 2).flac").exists()
