# SPDX-License-Identifier: Apache-2.0
"""Images with names that are no text."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.progress import run
from imagerd.formats import open_image
from imagerd.formats.write import write_image
from imagerd.formats.written import WriteOptions
from imagerd.sectors.blocks import read_all
from tests.sources import audio, data, memory_disc


@pytest.mark.parametrize("split", [False, True])
def test_a_sheet_names_files_whose_names_are_no_utf_8(tmp_path: Path, split: bool) -> None:
    target = tmp_path / os.fsdecode(b"caf\xe9.cue")
    disc = memory_disc([data(60), audio(60)])
    run(write_image(disc, target, WriteOptions(split_tracks=split)))
    image = open_image(target)
    try:
        assert len(image.files) == (3 if split else 2)
        assert np.array_equal(read_all(image, 60, 60).data, disc.raw[2])
    finally:
        image.close()
