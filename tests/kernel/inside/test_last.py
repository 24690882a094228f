# SPDX-License-Identifier: Apache-2.0
"""What concerns every drive of the machine, when all other tests have ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerd.base.errors import NotAvailable
from imagerd.devices.virtual.kernel.configfs import kernel_drives
from tests.kernel.inside.images import image_of, volume
from tests.kernel.inside.machine import drive, held, imagerctl, insert, leftovers, tell, until


def test_nothing_is_left_of_all_that_was_attached() -> None:
    assert kernel_drives() == ()
    assert not list(Path("/sys/class/uio").glob("uio*"))
    assert not list(Path("/run/imagerd-attached").glob("*"))
    assert not list(Path("/dev").glob("sr*"))


def test_all_drives_are_detached_at_once_and_two_have_two_nodes() -> None:
    with drive(volume()) as one, drive(image_of("music"), "second") as other:
        nodes = (one.node, other.node)
        assert len(set(nodes)) == 2
        told = imagerctl("detach", "--all")
        assert told.splitlines() == [
            f"detached {name} ({node})"
            for name, node in zip(("client", "second"), nodes, strict=True)
        ]
        for name in ("client", "second"):
            until(lambda name=name: not leftovers(name), f"the end of {name}")  # type: ignore[misc]


def test_a_drive_that_a_program_holds_is_not_opened_by_the_button() -> None:
    with drive(volume()) as one:
        insert(one, volume())
        # So the kernel does not ask the drive for events, unless another program opens it.
        with held(one.node):
            with pytest.raises(NotAvailable, match="in use"):
                one.swap(image_of("music"))
            assert not one.one.control.state().tray_open
        until(lambda: one.one.control.state().tray_open, "udev, which opens it afterwards")


def test_the_kernel_has_not_complained_of_itself() -> None:
    log = tell("dmesg")
    for word in (
        "BUG:",
        "WARNING:",
        "Oops",
        "hung_task",
        "blocked for more than",
        "ring is broken",
    ):
        assert word not in log, log[-4000:]
