# SPDX-License-Identifier: Apache-2.0
"""The configuration is read strictly, found where documented, and documented key by key."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from imagerd.base.config import (
    Config,
    DriveConfig,
    Duplicates,
    Eject,
    Output,
    Places,
    Policy,
    catalog_url,
    load_config,
    override_policy,
    parse_config,
)
from imagerd.base.config_errors import parse_size
from imagerd.base.errors import BadInput, NotAvailable
from tests.config_reference import BEGIN, END, PAGE, reference

FILE = Path("/etc/somewhere/imagerd.toml")

FULL = """
[archive]
folder = "/data/discs"
minimum_free = "20 GiB"
naming = "{date}/{label}"

[catalog]
url = "postgresql+psycopg://imagerd@/imagerd"

[daemon]
state = "state"
runtime = "/tmp/run"
socket_group = "discs"
poll_seconds = 2
watchdog_seconds = 60.5

[policy]
output = "cue"
duplicates = "ask"
eject = "success"
keep_subchannel = true
split_tracks = true

[policy.budget]
minutes = 5
attempts = 3
rounds_without_gain = 1
retry_speeds = [4]

[drives."KLAB1234567"]
read_offset = -12
enabled = false
max_speed = 16

[loader.tower]
driver = "ascii"
port = "/dev/ttyUSB0"
"""


def parse(text: str) -> Config:
    return parse_config(text, file=FILE, environ={})


def test_every_key_arrives_typed() -> None:
    config = parse(FULL)
    assert config.archive.folder == Path("/data/discs")
    assert config.archive.minimum_free == 20 << 30
    assert config.catalog.url == "postgresql+psycopg://imagerd@/imagerd"
    assert config.daemon.poll_seconds == 2.0
    assert config.daemon.socket == Path("/tmp/run/imagerd.sock")
    assert config.policy.output is Output.CUE
    assert config.policy.duplicates is Duplicates.ASK
    assert config.policy.eject is Eject.SUCCESS
    assert config.policy.budget.retry_speeds == (4,)
    assert config.drive("no-such", "KLAB1234567").read_offset == -12
    assert config.drive("no-such") == DriveConfig()
    assert config.loader["tower"]["port"] == "/dev/ttyUSB0"
    assert config.file == FILE


def test_relative_paths_are_relative_to_the_files_folder() -> None:
    assert parse(FULL).daemon.state == FILE.parent / "state"
    assert parse('[catalog]\nurl = "c.db"').catalog.url == f"sqlite:///{FILE.parent}/c.db"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[daemon]\npoll_seconds = 'x'", "poll_seconds in [daemon] must be a number"),
        ("[daemon]\npol_seconds = 3", "no key 'pol_seconds'; did you mean 'poll_seconds'."),
        ("[daemon]\npoll_seconds = 0", "poll_seconds in [daemon] must be a number > 0.0"),
        ("[policy]\noutput = 'isoo'", "'isoo' but must be one of: auto, iso, cue."),
        ("[policy]\nduplicates = 3", "duplicates in [policy] must be one of: skip, again, ask."),
        ("[policy]\nsplit_tracks = 1", "split_tracks in [policy] must be true or false"),
        ("[policy.budget]\nattempts = 0", "attempts in [policy.budget] must be"),
        ("[policy.budget]\nattempt = 1", "[policy.budget] has no key 'attempt'"),
        ("[policy.budget]\nretry_speeds = [1, 'b']", "retry_speeds[1] in [policy.budget] must be"),
        ("[archive]\nfolder = 3", "folder in [archive] must be a path in quotes"),
        ("[archive]\nminimum_free = 'lots'", "minimum_free in [archive] must be a size"),
        ("[archive]\nnaming = '{title}'", "naming uses {title}"),
        ("[archive]\nnaming = '../{label}'", "naming must name a file below"),
        ("[archive]\nnaming = '{label'", "naming is not a template"),
        ("[drives.a]\nread_offset = 'b'", 'read_offset in [drives."a"] must be a whole number'),
        ("[drives.a]\nspeed = 4", "has no key 'speed'"),
        ("drives = 3", "drives must be a table"),
        ("[loader.a]\nport = 'b'", "[loader.a] needs driver"),
        ("policy = 3", "[policy] must be a table"),
        ("[policies]", "'policies' at the top"),
        ("a b", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_key(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith(str(FILE))
    assert sentence in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"none\.toml"):
        load_config(tmp_path / "none.toml", {})
    with pytest.raises(NotAvailable, match=r"none\.toml"):
        load_config(None, {"IMAGERD_CONFIG": str(tmp_path / "none.toml")})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "imagerd.toml"
    file.write_bytes(b"\xff\xfe[\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_config(file, {})


def test_the_path_given_goes_before_the_environment(tmp_path: Path) -> None:
    for name in ("given", "env"):
        (tmp_path / name).write_text(f'[archive]\nfolder = "/{name}"')
    environ = {"IMAGERD_CONFIG": str(tmp_path / "env")}
    assert load_config(None, environ).archive.folder == Path("/env")
    assert load_config(tmp_path / "given", environ).archive.folder == Path("/given")


def test_the_environment_goes_before_the_file() -> None:
    environ = {"IMAGERD_CATALOG": "/x/c.db", "IMAGERD_SOCKET": "/x/s"}
    config = parse_config(FULL, file=FILE, environ=environ)
    assert config.catalog.url == "sqlite:////x/c.db"
    assert config.daemon.socket == Path("/x/s")


def test_a_plain_user_has_xdg_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home = tmp_path / "home"
    (home / ".config/imagerd").mkdir(parents=True)
    (home / ".config/imagerd/imagerd.toml").write_text("[policy]\noutput = 'cue'")
    config = load_config(None, {"HOME": str(home)})
    assert config.policy.output is Output.CUE
    assert config.archive.folder == home / ".local/share/imagerd/images"
    assert config.catalog.url == f"sqlite:///{home}/.local/state/imagerd/catalog.sqlite"
    assert config.daemon.socket == home / ".local/state/imagerd/run/imagerd.sock"
    runtime = load_config(None, {"HOME": str(home), "XDG_RUNTIME_DIR": "/run/user/1000"})
    assert runtime.daemon.socket == Path("/run/user/1000/imagerd/imagerd.sock")


def test_a_client_means_the_daemon_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    system, user = tmp_path / "system", tmp_path / "user"
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(user)}
    environ["RUNTIME_DIRECTORY"] = str(system)

    def runtime(*, client: bool = True) -> Path:
        return load_config(None, environ, client=client).daemon.runtime

    assert runtime() == user / "imagerd"
    system.mkdir()
    (system / "imagerd.sock").touch()
    assert runtime() == system
    assert runtime(client=False) == user / "imagerd"
    (user / "imagerd").mkdir(parents=True)
    (user / "imagerd/imagerd.sock").touch()
    assert runtime() == user / "imagerd"


def test_a_service_has_the_systems_folders() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/imagerd", "RUNTIME_DIRECTORY": "/run/imagerd"}
    config = parse_config("", environ=environ)
    assert config.catalog.url == "sqlite:////var/lib/imagerd/catalog.sqlite"
    assert config.daemon.socket == Path("/run/imagerd/imagerd.sock")
    assert Places.of_system({}).archive == Path("/srv/images")


def test_a_policy_is_overridden_by_settings_as_typed() -> None:
    changed = override_policy(
        Policy(), ["output=iso", "budget.minutes=2.5", "split_tracks=true", "eject = never"]
    )
    assert (changed.output, changed.eject) == (Output.ISO, Eject.NEVER)
    assert changed.budget.minutes == 2.5
    assert changed.budget.attempts == Policy().budget.attempts
    assert changed.split_tracks


@pytest.mark.parametrize("setting", ["output", "output=3", "none=1", "output.x=1", "budget=1"])
def test_a_wrong_policy_setting_is_refused(setting: str) -> None:
    with pytest.raises(BadInput):
        override_policy(Policy(), [setting])


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("5", 5), ("5B", 5), ("700 MB", 700_000_000), ("1.5KiB", 1536), ("2TiB", 2 << 40)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [-1, True, "", "GiB", "5 X", 1.5])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


def test_a_path_is_an_sqlite_url() -> None:
    assert catalog_url("/x/c.db") == "sqlite:////x/c.db"
    assert catalog_url("sqlite://") == "sqlite://"


def test_the_page_documents_every_key() -> None:
    text = PAGE.read_text()
    block = text.split(BEGIN)[1].split(END)[0]
    assert block.strip() == reference().strip(), "run python -m tests.config_reference"


def test_the_examples_of_the_page_are_valid() -> None:
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```toml\n")[1:]]
    assert blocks
    for block in blocks:
        assert tomllib.loads(block)
        parse(block)


def test_it_imports_nothing_heavy() -> None:
    heavy = "{'sqlalchemy', 'alembic', 'numpy', 'click', 'rich'} & set(sys.modules)"
    code = f"import sys, imagerd.base.config; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
