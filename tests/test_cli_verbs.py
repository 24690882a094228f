# SPDX-License-Identifier: Apache-2.0
"""The image verbs as a person or a script uses them: text, JSON, exit codes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorSource
from tests.judges import ask
from tests.sources import MemorySource, audio, data, memory_disc
from tests.toolkit_images import volume, write_cue, write_iso

MIXED = (data(60), audio(30, pregap=10), audio(25, isrc="DEA371500001"))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> dict[str, object]:
    """The JSON that a verb prints."""
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    loaded: dict[str, object] = json.loads(result.stdout)
    return loaded


def hurt(disc: MemorySource) -> MemorySource:
    """One sector that parity can mend (LBA 7), one that it cannot (9), one of zeros (11)."""
    rows = disc.raw[1]
    rows[7, 200] ^= 1
    rows[9, 100:1500] = 0x55
    rows[11] = 0
    return disc


def test_info_tells_tracks_and_ids(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    result = imagerctl("info", sheet)
    assert result.exit_code == 0
    assert "MusicBrainz id" in result.stdout
    assert "DEA371500001" in result.stdout
    disc = told("info", sheet)["disc"]
    assert isinstance(disc, dict)
    assert [track["mode"] for track in disc["tracks"]] == ["mode1", "audio", "audio"]


def test_verify_of_a_good_image_exits_0(tmp_path: Path) -> None:
    result = imagerctl("verify", write_cue(tmp_path, memory_disc(MIXED)))
    assert result.exit_code == 0
    assert "Good: 60 sectors prove themselves; 55 more carry no proof" in result.stdout
    assert not result.stderr


def test_verify_lists_what_is_bad_and_exits_1(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED)))
    result = imagerctl("verify", sheet)
    assert result.exit_code == 1
    assert "wrong EDC: 2 sectors, LBA 7, 9" in result.stdout
    assert "wrong sync or header: 1 sector, LBA 11" in result.stdout
    verdict = told("verify", sheet, code=1)["verdict"]
    assert isinstance(verdict, dict)
    track = verdict["sectors"]["tracks"][0]
    assert track["wrong_edc"] == {
        "count": 2,
        "ranges": [{"first": 7, "last": 7, "count": 1}, {"first": 9, "last": 9, "count": 1}],
    }


def test_verify_checks_digests_and_lists_of_them(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    digest = hashlib.sha1((tmp_path / "disc.bin").read_bytes()).hexdigest()
    sums = tmp_path / "disc.sha1"
    sums.write_text(f"{digest}  disc.bin\n")
    assert imagerctl("verify", sheet, "--hash", digest).exit_code == 0
    assert imagerctl("verify", sheet, "--checksums", sums).exit_code == 0
    assert imagerctl("verify", sums).exit_code == 0
    wrong = imagerctl("verify", sheet, "--hash", digest[::-1])
    assert wrong.exit_code == 1
    assert "mismatch" in wrong.stdout
    sums.write_text(f"{digest[::-1]}  disc.bin\n")
    assert imagerctl("verify", sums).exit_code == 1


def test_verify_of_several_sources_exits_1_if_one_is_bad(tmp_path: Path) -> None:
    good = write_cue(tmp_path, memory_disc(MIXED), "good")
    bad = write_cue(tmp_path, hurt(memory_disc(MIXED)), "bad")
    result = imagerctl("verify", bad, good, "--json")
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["verdict"]["ok"] for line in lines] == [False, True]


def test_verify_quietly_prints_nothing(tmp_path: Path) -> None:
    result = imagerctl("verify", "-q", write_cue(tmp_path, hurt(memory_disc(MIXED))))
    assert (result.exit_code, result.output) == (1, "")


def test_compare_exits_as_diff_does(tmp_path: Path) -> None:
    a = write_cue(tmp_path, memory_disc(MIXED), "a")
    b = write_cue(tmp_path, memory_disc(MIXED), "b", split=True)
    c = write_cue(tmp_path, hurt(memory_disc(MIXED)), "c")
    assert imagerctl("compare", a, b).exit_code == 0
    different = imagerctl("compare", a, c)
    assert different.exit_code == 1
    assert "3 sectors differ (raw sectors): LBA 7, 9, 11" in different.stdout
    assert "first at LBA 7" in different.stdout
    assert imagerctl("compare", a, tmp_path / "gone.cue").exit_code == 2


def test_compare_that_cannot_decide_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    from imagerd.cli import sources
    from imagerd.cli.verbs import compare

    discs: dict[str, SectorSource] = {
        "a": memory_disc(MIXED),
        "b": memory_disc(MIXED, bad=frozenset({5})),
    }

    @contextmanager
    def opened(name: str, _accounts: object):  # type: ignore[no-untyped-def]
        yield sources.Opened(name, discs[name])

    monkeypatch.setattr(compare, "opened", opened)
    result = imagerctl("compare", "a", "b")
    assert result.exit_code == 2
    assert "Undecided" in result.stdout


def test_convert_of_a_mixed_disc_takes_the_data_track_and_says_what_it_left(
    tmp_path: Path,
) -> None:
    disc = memory_disc(MIXED)
    sheet = write_cue(tmp_path, disc)
    result = imagerctl("convert", sheet, tmp_path / "out.iso")
    assert result.exit_code == 0
    assert "Left behind: audio tracks 2–3." in result.stdout
    assert (tmp_path / "out.iso").read_bytes() == disc.raw[1][:, 16:2064].tobytes()


@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
def test_convert_writes_the_iso_that_bchunk_writes(tmp_path: Path, mode: TrackMode) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(60, mode)]))
    assert imagerctl("convert", sheet, tmp_path / "ours.iso").exit_code == 0
    ask("bchunk", tmp_path / "disc.bin", sheet, tmp_path / "theirs")
    ours = (tmp_path / "ours.iso").read_bytes()
    assert ours == (tmp_path / "theirs01.iso").read_bytes()


def test_convert_lists_wrong_sectors_and_leaves_them_as_they_are(tmp_path: Path) -> None:
    disc = hurt(memory_disc(MIXED))
    sheet = write_cue(tmp_path, disc)
    for target in ("out.iso", "out.cue"):
        arguments = ("--no-repair", sheet, tmp_path / target)
        result = told("convert", *arguments, code=1)["result"]
        assert isinstance(result, dict)
        assert result["wrong"]["count"] == 3
        assert result["repaired"]["count"] == 0
    assert (tmp_path / "out.iso").read_bytes() == disc.raw[1][:, 16:2064].tobytes()
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "disc.bin").read_bytes()


def test_convert_repairs_what_it_can_and_says_so(tmp_path: Path) -> None:
    good = memory_disc(MIXED)
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED)))
    for target in ("out.iso", "out.cue"):
        result = told("convert", "--repair", sheet, tmp_path / target, code=1)["result"]
        assert isinstance(result, dict)
        assert result["repaired"]["ranges"] == [{"first": 7, "last": 7, "count": 1}]
        assert result["wrong"]["count"] == 2
    assert (tmp_path / "out.iso").read_bytes()[7 * 2048 :][:2048] == good.raw[1][
        7, 16:2064
    ].tobytes()
    assert (tmp_path / "out.bin").read_bytes()[7 * 2352 :][:2352] == good.raw[1][7].tobytes()


def test_convert_never_overwrites_unasked(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    target = tmp_path / "out.iso"
    target.write_text("precious")
    result = imagerctl("convert", sheet, target)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert target.read_text() == "precious"
    assert imagerctl("convert", "--overwrite", sheet, target).exit_code == 0


def test_convert_there_and_back_is_the_same_disc(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(60)]))
    assert imagerctl("convert", sheet, tmp_path / "a.iso").exit_code == 0
    assert imagerctl("convert", tmp_path / "a.iso", tmp_path / "b.cue").exit_code == 0
    assert imagerctl("compare", sheet, tmp_path / "b.cue").exit_code == 0


def test_hash_writes_lines_that_sha256sum_accepts(tmp_path: Path) -> None:
    odd = tmp_path / "odd \\ name"
    odd.mkdir()
    sheet = write_cue(odd, memory_disc(MIXED), "a\\b\nc", split=False)
    sheet.write_text(sheet.read_text().replace("a\\b\nc.bin", "disc.bin"))
    (odd / "a\\b\nc.bin").rename(odd / "disc.bin")
    result = imagerctl("hash", "--check-file", "sha256", sheet)
    assert result.exit_code == 0
    sums = odd / "sums"
    sums.write_text(result.stdout)
    ask("sha256sum", "--strict", "-c", sums, cwd=odd)


def test_hash_tells_tracks_and_files(tmp_path: Path) -> None:
    disc = memory_disc(MIXED)
    sheet = write_cue(tmp_path, disc)
    hashes = told("hash", sheet)["hashes"]
    assert isinstance(hashes, dict)
    track = hashes["tracks"][1]["digests"]
    assert track["md5"] == hashlib.md5(disc.raw[2].tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["info", "gone.cue"], 2, "There is no gone.cue"),
        (["info", "empty"], 2, "There is no image in empty"),
        (["hash", "."], 2, ". is a folder"),
        (["verify", "/dev/sr99"], 2, "/dev/sr99"),
        (["verify", "text.txt"], 2, "text.txt"),
        (["verify", "empty.iso"], 2, "empty"),
        (["verify", "a.iso", "--hash", "xyz"], 2, "is no digest"),
        (["convert", "a.iso", "out.xyz"], 2, "suffix"),
        (["convert", "a.iso", "no/such/folder/a.cue"], 2, "no/such/folder"),
        (["info", "virtual:"], 2, "imagerctl: "),
        (["info", "virtual:stranger"], 2, "no.sock"),
    ],
)
def test_wrong_input_is_one_sentence_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGERD_SOCKET", str(tmp_path / "no.sock"))
    write_iso(tmp_path, volume(40), "a")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty.iso").touch()
    (tmp_path / "empty").mkdir()
    result = imagerctl(*arguments)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert result.stderr.startswith("imagerctl: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_names_from_discs_cannot_control_the_terminal(tmp_path: Path) -> None:
    image = write_iso(tmp_path, volume(40, name="\x1b[31mRED\x07"))
    result = imagerctl("info", image)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "RED" in result.output


def test_drives_says_so_when_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from imagerd.devices import drives

    monkeypatch.setattr(drives, "list_drives", lambda: ())
    assert "no optical drive" in imagerctl("drives").stdout
    assert told("drives") == {"drives": []}
