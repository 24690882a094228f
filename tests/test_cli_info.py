# SPDX-License-Identifier: Apache-2.0
"""`imagerctl info` of what is packed, of many images, of folders and lists."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.base.config import load_config
from imagerd.base.places import SOCKET, Places, plain_catalog
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.formats import open_image, write_image
from imagerd.toolkit.shares import in_order
from tests.sources import audio, data, memory_disc
from tests.toolkit_images import volume, write_cue, write_iso


def imagerctl(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


def told(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(result: Result) -> list[object]:
    return [one["source"] for one in told(result)]


def discs(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [write_iso(folder, volume(40, name=f"DISC{at}"), f"d{at:02}") for at in range(count)]


def test_a_packed_image_tells_how_it_is_packed(tmp_path: Path) -> None:
    image = write_iso(tmp_path, volume(40))
    packed = tmp_path / "a.iso.gz"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    result = imagerctl("info", packed)
    assert "gzip, " in result.stdout
    assert "the length is what it says" in result.stdout
    (packing,) = told(imagerctl("info", "--json", packed))[0]["packings"]  # type: ignore[misc]
    assert packing == {
        "file": str(packed),
        "formats": ["gzip"],
        "packed": packed.stat().st_size,
        "size": 40 * 2048,
        "claimed": True,
    }


def test_a_length_that_the_volume_contradicts_is_not_believed(tmp_path: Path) -> None:
    content = volume(40)
    path = tmp_path / "a.iso.gz"  # of two members: only the last has its length at the end
    path.write_bytes(gzip.compress(content[: 30 * 2048]) + gzip.compress(content[30 * 2048 :]))
    one = told(imagerctl("info", "--json", path))[0]
    assert [packing["claimed"] for packing in one["packings"]] == [False]  # type: ignore[attr-defined]
    disc = one["disc"]
    assert isinstance(disc, dict)
    assert disc["sectors"] == 40
    assert disc["volume_size"]["ok"]
    assert not one["warnings"]


def test_a_length_that_is_a_lie_is_found_out_where_the_volume_contradicts_it(
    tmp_path: Path,
) -> None:
    packed = gzip.compress(volume(40))
    (tmp_path / "a.iso.gz").write_bytes(packed[:-4] + (20 * 2048).to_bytes(4, "little"))
    result = imagerctl("info", tmp_path / "a.iso.gz")
    assert result.exit_code == 2
    assert "incorrect length check" in result.stderr


def test_a_chd_tells_its_version_codecs_digests_and_parent(tmp_path: Path) -> None:
    target = tmp_path / "a.chd"
    with open_image(write_cue(tmp_path, memory_disc([data(40), audio(40)]))) as image:  # type: ignore[attr-defined]
        run(write_image(image, target))
    chd = told(imagerctl("info", "--json", target))[0]["chd"]
    assert isinstance(chd, dict)
    assert (chd["version"], chd["parent"], chd["parent_sha1"]) == (5, None, None)
    assert chd["packed"] == target.stat().st_size
    assert set(chd["codecs"]) <= {"cdlz", "cdzl", "cdfl", "cdzs"}
    assert chd["sha1"].encode() in imagerctl("info", target).stdout_bytes


def test_one_bad_image_stops_none_of_the_others_and_decides_the_exit_code(tmp_path: Path) -> None:
    first, second = discs(tmp_path, 2)
    (tmp_path / "bad.iso").touch()
    arguments = (first, tmp_path / "bad.iso", tmp_path / "gone.cue", second)
    result = imagerctl("info", "--json", *arguments)
    assert result.exit_code == 2
    assert names(result) == [str(argument) for argument in arguments]
    good, bad, gone, last = told(result)
    assert "empty" in str(bad["error"])
    assert "There is no" in str(gone["error"])
    assert bad["code"] == gone["code"] == 2
    assert "disc" in good
    assert "disc" in last
    text = imagerctl("info", *arguments)
    assert text.exit_code == 2
    assert "DISC0" in text.stdout
    assert "is empty" in text.stdout
    assert "DISC1" in text.stdout


def test_many_are_told_in_their_order_as_one_by_one(tmp_path: Path) -> None:
    images = discs(tmp_path, 9)
    images.insert(7, tmp_path / "gone.iso")
    result = imagerctl("info", "--json", "--processes", "2", *images)
    assert result.exit_code == 2
    assert names(result) == [str(image) for image in images]
    singly = "".join(imagerctl("info", "--json", image).stdout for image in images)
    there = [line for line in result.stdout.splitlines() if "gone.iso" not in line]
    assert there == singly.splitlines()


def _or_dies(job: int) -> int:
    if job == 5:
        os._exit(9)
    return job * job


def test_a_process_that_dies_costs_only_the_job_that_killed_it() -> None:
    results = list(in_order(_or_dies, range(8), 1))
    assert isinstance(results[5], Exception)
    assert [one for one in results if not isinstance(one, Exception)] == [
        job * job for job in range(8) if job != 5
    ]


def test_a_folder_stands_for_the_images_below_it(tmp_path: Path) -> None:
    images = discs(tmp_path / "a" / "b", 3)
    sheet = write_cue(tmp_path / "a", memory_disc([data(40)]))
    result = imagerctl("info", "--json", tmp_path / "a")
    assert result.exit_code == 0
    assert names(result) == [str(sheet), *(str(image) for image in images)]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (image,) = discs(tmp_path, 1)
    empty = tmp_path / "empty"
    empty.mkdir()
    result = imagerctl("info", empty)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no image in" in result.stderr
    both = imagerctl("info", "--json", empty, image)
    assert both.exit_code == 2
    assert names(both) == [str(image), str(empty)]


@pytest.mark.parametrize("end", [b"\n", b"\0", b"\r\n"])
def test_names_come_from_lists_whatever_bytes_they_are(tmp_path: Path, end: bytes) -> None:
    images = discs(tmp_path, 2)
    odd = os.fsencode(tmp_path) + b"/\xff \xe9.iso"
    images[1].rename(os.fsdecode(odd))
    listed = os.fsencode(images[0]) + end + odd + end
    (tmp_path / "names").write_bytes(listed)
    for result in (
        imagerctl("info", "--json", "--files-from", tmp_path / "names"),
        imagerctl("info", "--json", "--files-from", "-", stdin=listed),
    ):
        assert result.exit_code == 0, result.output
        assert [one["disc"]["volume"]["volume_id"] for one in told(result)] == [  # type: ignore[index]
            "DISC0",
            "DISC1",
        ]


def test_nothing_named_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    assert imagerctl("info").exit_code == 2
    assert imagerctl("info", "--files-from", tmp_path / "none").exit_code == 2


_LOADED = """
import sys
from click.testing import CliRunner
from imagerd.cli.main import cli
result = CliRunner().invoke(cli, sys.argv[1:])
assert result.exit_code == 0, result.output
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize("kind", ["iso", "cue", "gz"])
def test_what_one_image_does_not_need_is_not_imported(tmp_path: Path, kind: str) -> None:
    (image,) = discs(tmp_path, 1)
    if kind == "cue":
        image = write_cue(tmp_path, memory_disc([data(40)]))
    elif kind == "gz":
        content = image.read_bytes()
        image = tmp_path / "a.iso.gz"
        image.write_bytes(gzip.compress(content))
    (tmp_path / "state" / "imagerd").mkdir(parents=True)
    (tmp_path / "state" / "imagerd" / "catalog.sqlite").touch()
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, "info", str(image)],
        env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    needless = {
        "sqlalchemy",
        "alembic",
        "imagerd.base.config",
        "imagerd.formats.write",
        "imagerd.formats.written",
        "imagerd.sectors.offset",
        "imagerd.toolkit.account",
        "imagerd.toolkit.crew",
        "imagerd.base.sharing",
        "multiprocessing.process",
    }
    assert "numpy" in loaded
    assert not loaded & needless


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("lives", ["", "user", "system"])
def test_the_catalog_without_a_configuration_is_the_one_that_reading_it_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: bool, lives: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "RUNTIME_DIRECTORY": str(tmp_path / "system"),
    }
    place = {"user": Places.of_user(environ), "system": Places.of_system(environ)}.get(lives)
    if place is not None:
        place.runtime.mkdir(parents=True)
        (place.runtime / SOCKET).touch()
    monkeypatch.setattr("imagerd.base.places.SYSTEM_FILE", tmp_path / "none.toml")
    plain = plain_catalog(environ)
    url = load_config(None, environ, client=True).catalog.url
    assert url == f"sqlite:///{plain}"
    for name in ("IMAGERD_CATALOG", "IMAGERD_CONFIG"):
        assert plain_catalog({**environ, name: "/somewhere"}) is None
