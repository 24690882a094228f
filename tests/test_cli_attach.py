# SPDX-License-Identifier: Apache-2.0
"""What the verbs of attached drives say where nothing can be attached. The rest needs a kernel:
tests/kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.devices.virtual.kernel import attached, configfs


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disc.iso"
    path.write_bytes(bytes(2048 * 100))
    return path


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not the drives that this machine may have."""
    monkeypatch.setattr(attached, "FOLDER", tmp_path / "attached")
    monkeypatch.setattr(configfs, "_TARGET", tmp_path / "target")
    return tmp_path / "target"


def test_a_plain_user_is_told_to_become_root(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = imagerctl("attach", image)
    assert result.exit_code == 2
    assert "needs root" in result.stderr


def test_a_missing_module_is_named_with_the_kernel_that_has_it(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(configfs, "MODULES", ("no_such_module_at_all",))
    result = imagerctl("attach", image)
    assert result.exit_code == 2
    assert "no module no_such_module_at_all" in result.stderr
    assert "linux-image-amd64" in result.stderr


def test_a_missing_configfs_is_named_with_the_command_that_mounts_it(
    image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(configfs, "MODULES", ())
    monkeypatch.setattr(configfs, "_CONFIGFS", tmp_path)
    result = imagerctl("attach", image)
    assert result.exit_code == 2
    assert f"mount -t configfs none {tmp_path}" in " ".join(result.stderr.split())


def test_where_nothing_is_attached_the_list_is_empty() -> None:
    assert "Nothing is attached" in imagerctl("attach", "--list").stdout
    assert json.loads(imagerctl("attach", "--list", "--json").stdout) == {"drives": []}
    assert imagerctl("detach", "--all").exit_code == 0


def test_a_drive_that_is_not_there_is_named_with_those_that_are() -> None:
    for verb in (("detach", "/dev/sr7"), ("swap", "/dev/sr7", "--empty")):
        result = imagerctl(*verb)
        assert result.exit_code == 2
        assert "No attached drive is /dev/sr7; attached are: none" in result.stderr


def test_a_drive_of_which_nobody_answers_is_listed_as_stale(apart: Path) -> None:
    (apart / "core" / "user_5380" / "orphan").mkdir(parents=True)
    result = imagerctl("attach", "--list")
    assert "orphan" in result.stdout
    assert "detach --stale" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [("detach",), ("detach", "a", "--all"), ("attach",), ("swap", "a"), ("attach", "no-such.iso")],
)
def test_a_call_that_says_too_little_or_too_much_is_refused(arguments: tuple[str, ...]) -> None:
    assert imagerctl(*arguments).exit_code == 2


def test_a_name_that_no_path_can_hold_is_refused(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "prepare", lambda: None)
    for name in ("a/b", "..", "-x", "x" * 33, "é"):
        result = imagerctl("attach", image, f"--name={name}")
        assert result.exit_code == 2
        assert "is no name for a drive" in result.stderr
