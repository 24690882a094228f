# SPDX-License-Identifier: Apache-2.0
"""The watcher with real pyudev, libudev and SG_IO, on drives made up by umockdev; and floods."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.umockdev_watch_rig import run_story


def test_only_optical_drives_are_found_and_described() -> None:
    assert run_story("listing") == {
        "drives": [["/dev/sr0", "FAKE_CD_0", "FAKE_CD_0_SN0", "pci-0000:00-ata-0"]]
    }


def test_each_insertion_is_heard_once_through_uevents_even_in_a_burst() -> None:
    assert run_story("uevents") == {
        "heard": [
            "added /dev/sr0 0",
            "medium-in /dev/sr0 1",
            "eject-request /dev/sr0 1",
            "medium-out /dev/sr0 1",
            "medium-in /dev/sr0 2",
        ],
        "how": "udev and polling",
    }


def test_a_drive_that_is_pulled_takes_its_disc_with_it() -> None:
    assert run_story("hotplug") == {
        "heard": [
            "added /dev/sr0 0",
            "added /dev/sr1 0",
            "medium-in /dev/sr1 1",
            "medium-out /dev/sr1 1",
            "removed /dev/sr1 1",
        ]
    }


def test_a_change_without_an_event_is_found_by_the_slow_poll() -> None:
    assert run_story("lost") == {
        "heard": ["added /dev/sr0 0", "medium-in /dev/sr0 1", "medium-out /dev/sr0 1"]
    }


def test_a_socket_that_overflows_costs_a_monitor_and_no_disc() -> None:
    """A real ENOBUFS, in a network namespace of its own so that nobody else hears the flood."""
    alone = ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no network namespaces here (unshare -rn)")
    command = [*alone, sys.executable, "-m", "tests.netlink_flood"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "heard": ["added", "medium-in"],
        "monitors": 2,
        "how": "udev and polling",
    }
