# SPDX-License-Identifier: Apache-2.0
"""Renaming: all of a plan or none of it, nothing overwritten, and the image still opens."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import AlreadyThere, BadInput, NotAvailable
from imagerd.base.progress import run
from imagerd.catalog.records import ImageFile
from imagerd.cli.main import cli
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.toolkit.match import renaming
from imagerd.toolkit.match.pieces import pieces_of
from imagerd.toolkit.match.template import Template
from tests.catalogs import a_job, new_image, open_catalog
from tests.dats import write_datafile
from tests.discs_formats import MemorySource as GdSource
from tests.sources import MemorySource, audio, data, memory_disc
from tests.test_formats_chd import gd_rom
from tests.toolkit_images import write_cue, write_iso

MIXED = (data(60), audio(40, pregap=10), audio(30))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> Any:
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for images; the catalog lies elsewhere."""
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))
    (tmp_path / "discs").mkdir()
    return tmp_path / "discs"


def learn(folder: Path, name: str, disc: MemorySource, dat: str = "Maker - System") -> None:
    files = {f"{t.number}.bin": disc.raw[t.number].tobytes() for t in disc.layout.tracks}
    file = write_datafile(folder.parent / "x.dat", {name: files}, name=dat)
    assert imagerctl("dat", "import", file).exit_code == 0


def picture(folder: Path) -> dict[str, str]:
    """Every file below, by what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("split", [False, True])
def test_an_image_is_renamed_with_all_its_files(folder: Path, split: bool) -> None:
    disc = memory_disc(MIXED)
    learn(folder, 'Game: "The/Disc" (USA)', disc)
    sheet = write_cue(folder, disc, split=split)
    sheet.write_bytes(b"\xef\xbb\xbfREM A remark that stays\r\n" + sheet.read_bytes())
    (folder / "disc.map").write_text("a map")
    (folder / "disc.cue.map").write_text("another")
    before = picture(folder)
    dry = told("match", folder, "--rename", "{system}/{name}", "--dry-run")
    assert picture(folder) == before
    answer = told("match", folder, "--rename", "{system}/{name}")
    assert answer["images"][0]["renamed"] == dry["images"][0]["renamed"]
    base = "Maker - System/Game: 'The_Disc' (USA)"
    data_files = [f"{base} (Track {n}).bin" for n in (1, 2, 3)] if split else [f"{base}.bin"]
    after = picture(folder)
    sheet_name = f"{base}.cue"
    assert set(after) == {sheet_name, *data_files, f"{base}.map", f"{base}.cue.map"}
    assert sorted(h for n, h in after.items() if n != sheet_name) == sorted(
        h for n, h in before.items() if n != "disc.cue"
    )
    text = (folder / sheet_name).read_bytes()
    assert text.startswith(b"\xef\xbb\xbfREM A remark that stays\r\n")
    again = told("match", folder, "--rename", "{name}")
    assert again["images"][0]["result"]["verdict"] == "match"


# -- sets of files whose sheet is none of cue ------------------------------------------------------


def in_container(folder: Path, disc: MemorySource, name: str) -> Path:
    run(write_image(disc, folder / name, WriteOptions(sync=False, hash=False)))
    return folder / name


SETS = {
    "disc.ccd": {"Game, (USA).ccd", "Game, (USA).img", "Game, (USA).sub"},
    "disc.mds": {"Game, (USA).mds", "Game, (USA).mdf"},
    "disc.toc": {"Game, (USA).toc", "Game, (USA).bin"},
    "disc.nrg": {"Game, (USA).nrg"},
    "disc.chd": {"Game, (USA).chd"},
}


@pytest.mark.parametrize("name", SETS)
def test_every_container_is_renamed_with_its_set_of_files(folder: Path, name: str) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "Game, (USA)", disc)
    in_container(folder, disc, name)
    (folder / "disc.map").write_text("a map")
    before = picture(folder)
    told("match", folder, "--rename", "{system}/{name}", "--dry-run")
    assert picture(folder) == before
    told("match", folder, "--rename", "{system}/{name}")
    found = picture(folder)
    assert set(found) == {f"Maker - System/{n}" for n in (*SETS[name], "Game, (USA).map")}
    again = told("match", folder, "--rename", "{system}/{name}", "--dry-run")["images"][0]
    assert again["result"]["verdict"] == "match"
    sheet = {digest for file, digest in found.items() if file.endswith(".toc")}
    assert set(found.values()) - sheet <= set(before.values())


def test_a_gd_rom_keeps_every_byte_of_its_sheet_but_the_names(tmp_path: Path) -> None:
    source = GdSource(gd_rom())
    main = in_container(tmp_path, source, "old name.gdi")
    text = main.read_text().replace("\n", "   \n").replace(" 2352 ", "   2352\t")
    main.write_bytes(b"\xef\xbb\xbf" + text.encode())
    before = (tmp_path / "old name-track03.bin").read_bytes()
    plan = renaming.plan_for(pieces_of(main), Template.parse("{system}/{name}"), FIELDS)
    renaming.carry_out(renaming.joined([plan]))
    assert sorted(picture(tmp_path)) == [
        "S/N (Track 1).bin", "S/N (Track 2).raw", "S/N (Track 3).bin", "S/N (Track 4).raw",
        "S/N (Track 5).bin", "S/N.gdi",
    ]  # fmt: skip
    expected = text
    for number, suffix in enumerate(("bin", "raw", "bin", "raw", "bin"), 1):
        expected = expected.replace(
            f"old name-track0{number}.{suffix}", f"N (Track {number}).{suffix}"
        )
    assert (tmp_path / "S/N.gdi").read_bytes() == b"\xef\xbb\xbf" + expected.encode()
    assert (tmp_path / "S/N (Track 3).bin").read_bytes() == before
    with closing(open_image(tmp_path / "S/N.gdi")) as image:
        assert len(image.layout.tracks) == 5
    plain = Template.parse("{name}[{track}]")  # and back, to a name without blanks
    renaming.carry_out(
        renaming.joined([renaming.plan_for(pieces_of(tmp_path / "S/N.gdi"), plain, FIELDS)])
    )
    assert b'"' not in (tmp_path / "S/N.gdi").read_bytes()
    with closing(open_image(tmp_path / "S/N.gdi")) as image:
        assert len(image.layout.tracks) == 5


def test_a_toc_keeps_its_comments_and_texts(tmp_path: Path) -> None:
    disc = memory_disc((audio(30), audio(20)))
    main = in_container(tmp_path, disc, "disc.toc")
    text = main.read_text()
    assert text.count('"disc.bin"') >= 2
    noted = text.replace("TRACK AUDIO", '// FILE "disc.bin" is meant\nTRACK AUDIO', 1)
    noted = noted.replace("\n", "\r\n")
    main.write_bytes(noted.encode())
    plan = renaming.plan_for(pieces_of(main), Template.parse("{name}"), {**FIELDS, "name": "A\xe9"})
    renaming.carry_out(renaming.joined([plan]))
    expected = noted.replace('"disc.bin"', '"A\xe9.bin"')
    expected = expected.replace('// FILE "A\xe9.bin"', '// FILE "disc.bin"')
    assert (tmp_path / "A\xe9.toc").read_bytes() == expected.encode()
    with closing(open_image(tmp_path / "A\xe9.toc")) as image:
        assert [path.name for path in image.files] == ["A\xe9.toc", "A\xe9.bin"]


@pytest.mark.parametrize("names", [("x.iso.001", "x.iso.002"), ("x.part1", "x.part2")])
def test_parts_are_renamed_together(folder: Path, names: tuple[str, str]) -> None:
    disc = memory_disc((data(60),))
    user = disc.raw[1][:, 16:2064].tobytes()
    dat = write_datafile(folder.parent / "x.dat", {"Game": {"Game.iso": user}})
    assert imagerctl("dat", "import", dat).exit_code == 0
    for name, part in zip(names, (user[:70_000], user[70_000:]), strict=True):
        (folder / name).write_bytes(part)
    told("match", folder / names[0], "--rename", "{name}")
    assert set(picture(folder)) == {name.replace("x", "Game", 1) for name in names}


def test_what_names_its_files_in_binary_is_left_alone(tmp_path: Path) -> None:
    main = in_container(tmp_path, memory_disc(MIXED), "disc.mds")
    body = main.read_bytes()
    assert b"*.mdf\0" in body
    main.write_bytes(body.replace(b"*.mdf\0", b"d.mdf\0"))
    (tmp_path / "disc.mdf").rename(tmp_path / "d.mdf")
    with pytest.raises(BadInput, match="by its own name"):
        pieces_of(main)


def test_the_same_name_again_changes_nothing(folder: Path) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "disc", disc)
    write_cue(folder, disc, split=True)
    before = picture(folder)
    answer = told("match", folder, "--rename", "{name}")
    assert picture(folder) == before
    assert answer["images"][0]["renamed"] == []


def test_tracks_can_have_a_name_of_their_own(folder: Path) -> None:
    disc = memory_disc((data(20), *(audio(5) for _ in range(10))))
    learn(folder, "Game", disc)
    write_cue(folder, disc, split=True)
    told("match", folder, "--rename", "{name}[ - {track}]")
    assert "Game - 01.bin" in picture(folder)
    assert "Game - 11.bin" in picture(folder)


def test_what_has_no_match_keeps_its_name(folder: Path) -> None:
    learn(folder, "Game", memory_disc(MIXED))
    write_cue(folder, memory_disc(MIXED, seed=2))
    before = picture(folder)
    told("match", folder, "--rename", "{name}", code=1)
    assert picture(folder) == before


def test_nothing_is_overwritten_and_then_nothing_is_renamed(folder: Path) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "Game", disc)
    for name in ("a", "b"):
        (folder / name).mkdir()
        write_cue(folder / name, disc, split=True)
    (folder / "b" / "Game (Track 3).bin").write_text("a person's")
    before = picture(folder)
    refused = imagerctl("match", folder, "--rename", "{name}")
    assert refused.exit_code == 2
    assert "Game (Track 3).bin exists already" in refused.stderr
    assert picture(folder) == before


def test_two_dumps_of_one_disc_in_a_folder_are_not_made_one(folder: Path) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "Game", disc)
    write_cue(folder, disc, "a")
    write_cue(folder, disc, "b")
    before = picture(folder)
    refused = imagerctl("match", folder, "--rename", "{name}")
    assert refused.exit_code == 2
    assert "Two files would be called" in refused.stderr
    assert picture(folder) == before


def test_several_games_that_match_leave_the_name_open(folder: Path) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "One", disc, "A")
    learn(folder, "Two", disc, "B")
    write_cue(folder, disc)
    before = picture(folder)
    answer = told("match", folder, "--rename", "{name}", code=1)
    assert "several games match" in answer["images"][0]["kept_name"]
    assert picture(folder) == before
    told("match", folder, "--rename", "{name}", "--dat", "B")
    assert "Two.cue" in picture(folder)


def test_images_of_the_archive_keep_the_name_that_the_catalog_knows(folder: Path) -> None:
    disc = memory_disc(MIXED)
    learn(folder, "Game", disc)
    sheet = write_cue(folder, disc)
    image = new_image(folder=str(folder))
    digests = image.files[0].digests
    with open_catalog(folder.parent) as catalog:
        files = (ImageFile("disc.cue", digests), ImageFile("disc.bin", digests))
        known = type(image)(
            name="x", format="cue", folder=str(folder), main="disc.cue", counts=image.counts,
            files=files,
        )  # fmt: skip
        catalog.images.commit(a_job(catalog).id, known)
    before = picture(folder)
    answer = told("match", sheet, "--rename", "{name}", code=1)
    assert "of the archive" in answer["images"][0]["kept_name"]
    assert picture(folder) == before
    with open_catalog(folder.parent) as catalog:  # and what it sounds like is known from now on
        sounds = catalog.sounds.of_image(1)
        assert set(sounds) == {0, 2, 3}
        assert [heard.image for heard in catalog.sounds.like(sounds[0])] == [1]
    other = folder.parent / "other"
    other.mkdir()
    copy = write_cue(other, disc)
    (same,) = told("match", copy)["images"][0]["same_sound"]
    assert same == {"path": str(sheet), "image": 1, "offset": 0}


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("links", [True, False])
def test_what_fails_half_way_is_undone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int, links: bool
) -> None:
    """The system refuses the call number `at` that gives or takes a name."""
    sheet = write_cue(folder, memory_disc(MIXED), split=True)
    plan = renaming.plan_for(pieces_of(sheet), Template.parse("{system}/{name}"), FIELDS)
    before = picture(folder)
    calls = 0

    def refusing(real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at + 1:
                raise OSError(5, "Input/output error", str(arguments[0]))
            return real(*arguments, **more)

        return call

    def no_links(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    if links:
        monkeypatch.setattr(os, "link", refusing(os.link))
        monkeypatch.setattr(Path, "unlink", refusing(Path.unlink))
    else:
        monkeypatch.setattr(os, "link", no_links)
        monkeypatch.setattr(Path, "rename", refusing(Path.rename))
    try:
        renaming.carry_out(renaming.joined([plan]))
    except (NotAvailable, AlreadyThere, OSError):
        assert calls > at
        assert picture(folder) == before
        assert not (folder / "S").exists()
    else:
        # Few refusals are no failure: without a link, a file can be renamed.
        assert set(picture(folder)) == {f"S/N (Track {n}).bin" for n in (1, 2, 3)} | {"S/N.cue"}


FIELDS = {"name": "N", "system": "S", "dat": "D", "version": "V"}


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{title}", "it may have"),
        ("{name.__class__}", "it may have"),
        ("{name!r}", "it may have"),
        ("{name:>99}", "it may have"),
        ("{}", "it may have"),
        ("{name", "cannot be read"),
        ("{name}[x][y]", "one pair of brackets"),
        ("{name}[x]", "lack {track}"),
        ("{track}", "it may have"),
        ("../{name}", "leads out"),
        ("/x/{name}", "leads out"),
    ],
)
def test_a_wrong_template_is_a_sentence(template: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Template.parse(template)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_leads_out_of_the_folder(name: str, system: str) -> None:
    template = Template.parse("{system}/{name}")
    try:
        path = template.path({"name": name, "system": system}, "1")
    except (BadInput, UnicodeEncodeError):
        return
    assert len(path.parts) == 2
    assert not path.is_absolute()
    assert all(part not in (".", "..") and part[0] != "." for part in path.parts)
    assert all(len(part.encode()) <= 255 - 8 and part.isprintable() for part in path.parts)


def test_a_sheet_whose_letters_cannot_say_the_name_is_left_alone(folder: Path) -> None:
    sheet = write_cue(folder, memory_disc(MIXED))
    sheet.write_bytes('REM GENRE "\u30d0\u30cd"\n'.encode("cp932") + sheet.read_bytes())
    with pytest.raises(BadInput, match="encoded in cp932"):
        renaming.plan_for(
            pieces_of(sheet), Template.parse("{name}"), {**FIELDS, "name": "Fran\u00e7ais \u20ac"}
        )


def test_a_packed_image_keeps_both_suffixes_and_its_map(folder: Path) -> None:
    disc = memory_disc((data(60),))
    user = disc.raw[1][:, 16:2064].tobytes()
    learned = {"Game": {"Game.iso": user}}
    assert (
        imagerctl("dat", "import", write_datafile(folder.parent / "x.dat", learned)).exit_code == 0
    )
    (folder / "disc.iso.gz").write_bytes(gzip.compress(user))
    (folder / "disc.iso.map").write_text("a map")
    told("match", folder, "--rename", "{name}")
    assert set(picture(folder)) == {"Game.iso.gz", "Game.iso.map"}


def test_links_are_left_to_the_person(folder: Path) -> None:
    (folder / "real").mkdir()
    target = write_iso(folder / "real", bytes(4096))
    link = folder / "link.iso"
    link.symlink_to(target)
    with pytest.raises(BadInput, match="is a link"):
        pieces_of(link)


KILLED = """
import os, sys
from pathlib import Path
from imagerd.toolkit.match import renaming
from imagerd.toolkit.match.pieces import pieces_of
from imagerd.toolkit.match.template import Template
sheet, left = Path(sys.argv[1]), int(sys.argv[2])
fields = {"name": "N", "system": "S"}
plan = renaming.plan_for(pieces_of(sheet), Template.parse("{system}/{name}"), fields)

def dying(real):
    def call(*arguments, **more):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **more)
    return call

for where, what in ((os, "link"), (Path, "unlink"), (Path, "mkdir"), (os, "fsync")):
    setattr(where, what, dying(getattr(where, what)))
renaming.carry_out(renaming.joined([plan]))
"""


def test_a_kill_at_any_instant_leaves_the_image_whole_under_one_of_its_names(
    tmp_path: Path,
) -> None:
    disc = memory_disc((data(20), audio(10), audio(10)))
    done = False
    for steps in range(40):
        folder = tmp_path / str(steps)
        folder.mkdir()
        sheet = write_cue(folder, disc, split=True)
        command = [sys.executable, "-c", KILLED, str(sheet), str(steps)]
        done = subprocess.run(command, check=False).returncode == 0
        whole = [path for path in (sheet, folder / "S" / "N.cue") if path.exists()]
        assert any(is_whole(path, disc) for path in whole), steps
        if done:
            break
    assert done
    assert whole == [folder / "S" / "N.cue"]


def is_whole(sheet: Path, disc: MemorySource) -> bool:
    try:
        with closing(open_image(sheet)) as image:
            tracks = image.layout.tracks
            return [(t.start, t.end, t.mode) for t in tracks] == [
                (t.start, t.end, t.mode) for t in disc.layout.tracks
            ] and all(
                np.array_equal(image.read(t.start, t.end - t.start).data, disc.raw[t.number])
                for t in tracks
            )
    except BadInput:
        return False
