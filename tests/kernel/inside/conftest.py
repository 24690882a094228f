# SPDX-License-Identifier: Apache-2.0
"""What the guest's tests share: its modules are loaded, and nothing is left behind by a test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kernel.inside.machine import leftovers
from tests.kernel.inside.service import Service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Never on a machine that somebody uses."""
    if os.environ.get("IMAGERD_GUEST") != "1":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="runs in the guest: make test-kernel"))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """imagerd as its unit starts it, from now to the end."""
    made = Service()
    made.install()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def clean() -> Iterator[None]:
    """A test of one drive: none of it is left afterwards."""
    before = leftovers("client")
    assert not before, before
    yield
    after = leftovers("client")
    assert not after, after
