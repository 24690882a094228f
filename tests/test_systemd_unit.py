# SPDX-License-Identifier: Apache-2.0
"""The unit and its companions, judged by systemd's own tools."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.judges import ask, judge

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "systemd"
UNIT = FOLDER / "imagerd.service"
THRESHOLD = 2.0  # of 10; docs/service.md tells the score
NEEDED_BY_FACTS = {
    "Type": "notify",
    "KillMode": "mixed",
    "DevicePolicy": "closed",
    "StateDirectory": "imagerd",
    "RuntimeDirectory": "imagerd",
    "ConfigurationDirectory": "imagerd",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "MemoryDenyWriteExecute": "yes",
}
# Each would take the drives or udev's events away.
FORBIDDEN = ("PrivateDevices", "PrivateNetwork", "PrivateUsers")


def settings_of(unit: Path) -> list[tuple[str, str]]:
    lines = (line.strip() for line in unit.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return [(key, value) for key, _, value in pairs]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there, as imagerd itself is not installed."""
    copy = tmp_path / "imagerd.service"
    copy.write_text(UNIT.read_text().replace("/usr/bin/imagerd", "/bin/true"))
    return copy


def version() -> int:
    found = re.match(r"systemd (\d+)", ask("systemd-analyze", "--version"))
    assert found is not None
    return int(found[1])


def score_of(unit: Path) -> float:
    if version() < 250:
        pytest.skip("systemd-analyze security --offline came with systemd 250")
    limit = f"--threshold={round(THRESHOLD * 10)}"
    text = ask("systemd-analyze", "security", "--offline=yes", limit, "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert found is not None
    return float(found[1])


def test_the_unit_is_without_a_fault(unit: Path) -> None:
    assert ask("systemd-analyze", "verify", unit).strip() == ""


def test_the_unit_s_exposure_stays_low_and_is_told_in_the_docs(unit: Path) -> None:
    score = score_of(unit)
    assert score <= THRESHOLD
    if version() == 252:  # other versions weigh otherwise
        assert f"exposure of {score}" in (ROOT / "docs/service.md").read_text()


def test_the_unit_keeps_what_the_daemon_needs() -> None:
    settings = settings_of(UNIT)
    given = dict(settings)
    assert {key: given.get(key) for key in NEEDED_BY_FACTS} == NEEDED_BY_FACTS
    assert not [key for key in given if key in FORBIDDEN]
    allowed = {value for key, value in settings if key == "DeviceAllow"}
    assert {"block-sr rw", "char-sg rw", "char-ttyUSB rw"} <= allowed
    assert "AF_NETLINK" in given["RestrictAddressFamilies"]
    assert int(given["WatchdogSec"]) >= 30


def test_user_groups_and_archive_are_made_as_named_in_the_unit(tmp_path: Path) -> None:
    judge("systemd-analyze")
    if os.geteuid() != 0:
        pytest.skip("making users and giving files away, even in a folder, needs root")
    etc = tmp_path / "etc"
    etc.mkdir()
    here = [f"--root={tmp_path}"]
    subprocess.run(["systemd-sysusers", *here, FOLDER / "imagerd.sysusers"], check=True)
    groups = (etc / "group").read_text()
    for group in ("cdrom", "dialout"):
        assert re.search(rf"^{group}:x:\d+:imagerd$", groups, re.MULTILINE)
    user = re.search(r"^imagerd:x:(\d+):(\d+):", (etc / "passwd").read_text(), re.MULTILINE)
    assert user is not None
    command = ["systemd-tmpfiles", *here, "--create", str(FOLDER / "imagerd.tmpfiles")]
    subprocess.run(command, check=True)
    archive = (tmp_path / "srv/images").stat()
    assert (archive.st_uid, archive.st_gid) == (int(user[1]), int(user[2]))
    assert archive.st_mode & 0o7777 == 0o2750


TOKEN = re.compile(
    r'(?:[A-Z]+(?:\{[A-Za-z_]+\})?)\s*(?:==|!=|\+=|=)"[^"]*"$'  # KEY{name}=="value"
)


def rules() -> list[str]:
    lines = (FOLDER / "60-imagerd.rules").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_rules_are_written_as_udev_reads_them() -> None:
    for line in rules():
        for token in line.split(", "):
            assert TOKEN.match(token), token
    labels = [line for line in rules() if line.startswith("LABEL")]
    assert labels == ['LABEL="imagerd_end"']
    if version() >= 254:
        subprocess.run(["udevadm", "verify", FOLDER / "60-imagerd.rules"], check=True)


def test_the_rules_keep_desktops_away_from_discs_and_give_drives_to_the_group() -> None:
    (drive,) = [line for line in rules() if "UDISKS_AUTO" in line]
    assert 'ENV{UDISKS_AUTO}="0"' in drive
    assert 'GROUP="cdrom", MODE="0660"' in drive
    assert 'TAG+="systemd"' in drive


def test_the_generic_driver_is_loaded() -> None:
    lines = (FOLDER / "imagerd.modules-load").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["sg"]
