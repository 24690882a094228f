# SPDX-License-Identifier: Apache-2.0
"""A DVD of two layers, larger than one holds, on the whole way: ``pytest -m large``.

It needs ten gigabytes of disk and some minutes, so it is not among the tests that run by default.
"""

from __future__ import annotations

import filecmp
from contextlib import closing
from pathlib import Path

import pytest

from imagerd.catalog.records import JobState
from imagerd.formats import open_image
from tests.path_way import way

SECTORS = 2_500_000  # 5.12 GB
MARKS = {0: b"first", 1_249_999: b"end of layer 0", 1_250_000: b"layer 1", SECTORS - 1: b"last"}


@pytest.mark.large
@pytest.mark.timeout(1800)
def test_a_dvd_of_two_layers_and_five_gigabytes_is_archived_whole(tmp_path: Path) -> None:
    image = tmp_path / "film.iso"
    with image.open("wb") as file:
        file.truncate(SECTORS * 2048)
        for lba, text in MARKS.items():
            file.seek(lba * 2048)
            file.write(text)
    with way(tmp_path / "way") as there, closing(open_image(image)) as source:
        done = there.archive(source)
        assert done.outcome.state is JobState.DONE
        assert done.image.disc is not None
        assert done.image.disc.layout["layers"] == [1_250_000]
        assert filecmp.cmp(image, done.main, shallow=False)
