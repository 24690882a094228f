# SPDX-License-Identifier: Apache-2.0
"""Wrong `[loader.NAME]` tables: imagerd does not start, and says why in one sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagerd.base.config import parse_config
from imagerd.base.errors import BadInput, OperatorError
from imagerd.daemon.loader_config import loader_configs
from tests.loading_rig import virtual_drive
from tests.station import Station, station

SERIAL = 'driver = "serial"\nport = "/dev/ttyUSB0"\n'


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("a", SERIAL, "drive"),
        ("a", SERIAL + 'drive = ""', "drive in [loader.a]"),
        ("a", SERIAL + "drive = 3", "drive in [loader.a] must be text in quotes"),
        ("a", SERIAL + 'drive = "sr0"\nspeed = 3', "no key 'speed'"),
        ("a", SERIAL + 'drive = "sr0"\nexpect = true', "expect in [loader.a] must be"),
        ("a", SERIAL + 'drive = "sr0"\nexpect = 0', "expect in [loader.a] must be"),
        ("a", SERIAL + 'drive = "sr0"\nprofile = "nobodys"', "[loader.a]: No loader profile"),
        ("a", SERIAL + 'drive = "sr0"\nprofile = "x/y.toml"', "x/y.toml"),
        ("a", 'driver = "serial"\ndrive = "sr0"', "[loader.a]: "),
        ("a", 'driver = "belt"\ndrive = "sr0"', "the kinds are serial, person"),
        ("a", 'driver = "person"\ndrive = "sr0"\nport = "/dev/ttyS0"', "no port"),
        ('"../a"', 'driver = "person"\ndrive = "sr0"', "name a loader by"),
    ],
)
def test_a_wrong_table_is_one_sentence_that_names_file_and_table(
    tmp_path: Path, name: str, table: str, words: str
) -> None:
    file = tmp_path / "imagerd.toml"
    config = parse_config(f"[loader.{name}]\n{table}\n", file=file, environ={"HOME": "/"})
    with pytest.raises(BadInput) as refused:
        loader_configs(config)
    sentence = str(refused.value)
    assert words in sentence
    assert sentence.startswith(str(file))
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_table_becomes_an_address_with_its_profile_beside_the_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "ours.toml").write_text('name = "ours"\nbase = "generic"\n')
    text = f'[loader.tower]\n{SERIAL}drive = "sr0"\nprofile = "ours.toml"\nexpect = 9\n'
    text += '[loader.desk]\ndriver = "person"\ndrive = "sr0"\n'
    config = parse_config(text, file=tmp_path / "imagerd.toml", environ={"HOME": "/"})
    tower, desk = loader_configs(config).values()
    assert tower.address == f"serial:/dev/ttyUSB0,profile={tmp_path}/ours.toml"
    assert (tower.expect, desk.address, desk.drive) == (9, "person", "sr0")


def test_imagerd_refuses_to_start_with_a_wrong_loader(tmp_path: Path) -> None:
    file = tmp_path / "imagerd.toml"
    file.write_text('[loader.tower]\ndriver = "belt"\ndrive = "sr0"\n')
    done = subprocess.run(
        [sys.executable, "-m", "imagerd.daemon.main", "--config", str(file)],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"imagerd: {file}: [loader.tower]: 'belt' is no kind of loader;"
        " the kinds are serial, person.\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagerd.toml"]


def reload(here: Station, extra: str, log: str) -> None:
    """Write another configuration and wait until the daemon has said `log` to it."""
    text = here.config_file.read_text()
    here.config_file.write_text(text[: text.index("[loader.")] + extra)
    assert here.daemon is not None
    here.daemon.send_signal(signal.SIGHUP)
    here.until(lambda: log in here.log.read_text(), "the daemon to read its configuration")


def test_what_cannot_run_says_so_and_a_reload_changes_the_loaders() -> None:
    lost = '[loader.lost]\ndriver = "serial"\nport = "/dev/no-such-port"\ndrive = "demo"\n'
    away = '[loader.away]\ndriver = "person"\ndrive = "sr77"\n'
    with station(extra=lost + away, start=False) as here:
        control = virtual_drive(here)
        try:
            here.start()
            here.until(lambda: bool(here.client.drives()), "the drive to be found")
            here.client.loader("lost", "run")
            here.until(lambda: here.client.loaders()[0].held, "the run to end")
            assert "There is no port /dev/no-such-port" in here.client.loaders()[0].sentence
            with pytest.raises(OperatorError, match="knows no drive sr77"):
                here.client.loader("away", "run")
            with pytest.raises(OperatorError, match="it has: lost, away"):
                here.client.loader("robot", "run")
            with pytest.raises(OperatorError, match="run, cleared and stop"):
                here.client.loader("lost", "dance")

            reload(here, '[loader.new]\ndriver = "belt"\ndrive = "sr0"\n', "stays as it was")
            assert [view.name for view in here.client.loaders()] == ["lost", "away"]
            reload(here, '[loader.new]\ndriver = "person"\ndrive = "demo"\n', "was read again")
            assert [view.name for view in here.client.loaders()] == ["new"]
        finally:
            control.quit()
