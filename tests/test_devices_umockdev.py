# SPDX-License-Identifier: Apache-2.0
"""SG_IO for real: our ioctl against a drive that umockdev makes the C library believe in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.umockdev_rig import run_client


def ask(name: str) -> dict[str, Any]:
    return run_client(name)


def test_the_drive_is_found_in_sysfs() -> None:
    assert ask("listing") == {
        "drives": [["/dev/sr0", "FAKE", "CD-ROM DRIVE", "1.00"]],
        "generic": ["/dev/sg0"],
    }


def test_inquiry_toc_and_limits_come_through() -> None:
    assert ask("identity") == {
        "who": ["FAKE", "CD-ROM DRIVE", "1.00", "SN0042", "/dev/sr0"],
        "toc": "cd 1/1d@0 1/2a@1000 lead-out1@2000",
        "mode": "mode1",
        "max_transfer": 128 * 1024,
        "generation": 0,  # the reset that it reports first is no change of the medium
    }


@pytest.fixture(scope="module")
def faults() -> dict[str, Any]:
    return ask("faults")


@pytest.mark.parametrize(
    ("start", "good", "fault"),
    [
        (490, 10, [500, 10, "medium", [3, 0x11, 5]]),  # fixed sense, residue
        (505, 5, [510, 15, "medium", [3, 0x11, 6]]),  # descriptor sense
        (515, 0, [515, 20, "timeout", None]),  # host status 3
        (525, 0, [525, 20, "transport", None]),  # host status 7, a residue that lies
        (545, 0, [545, 20, "medium", [3, 0x11, 0]]),  # an error that claims its full length
        (600, 20, None),
    ],
)
def test_a_read_gives_its_good_prefix_and_the_fault(
    faults: dict[str, Any], start: int, good: int, fault: object
) -> None:
    assert faults[str(start)] == {"good": good, "right": True, "fault": fault}


def test_a_slow_command_tells_its_time(faults: dict[str, Any]) -> None:
    assert 0.29 < faults["slow"] < 30


def test_a_robust_read_lists_what_it_could_not_get(faults: dict[str, Any]) -> None:
    assert faults["read"] == [[500, 1, "medium"], [510, 1, "medium"], [520, 14, "timeout"]]


def test_a_filtered_opcode_counts_as_unknown_to_the_drive() -> None:
    assert ask("filtered") == {"ok": False, "sense": "05/20/00"}


def test_a_drive_pulled_mid_read_is_lost() -> None:
    found = ask("lost")
    assert found["good"] == 10
    assert "/dev/sr0 is gone" in found["error"]


def test_other_threads_run_while_the_drive_is_slow() -> None:
    found = ask("patience")
    assert found["seconds"] > 0.29
    assert found["ticks"] >= 3


def test_misuse_is_a_value_error() -> None:
    assert ask("oversized")["errors"] == [
        "a transfer of 23520000 bytes exceeds 131072",
        "a transfer of 23520000 bytes exceeds 131072",
        "/dev/sr0 is closed",
    ]


def test_by_its_generic_node_the_block_node_is_held_too() -> None:
    assert ask("generic") == {"holds_sr0": True, "max_transfer": 128 * 1024, "sectors": 30}
