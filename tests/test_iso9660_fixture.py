# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from tests.iso9660 import write_iso
from tests.judges import ask


def test_isoinfo_lists_the_files_of_the_image_that_tests_are_made_of(tmp_path: Path) -> None:
    image = write_iso(tmp_path / "x.iso", "A_LABEL", {"README.TXT": b"hello", "B.BIN": b"x" * 5000})
    listing = ask("isoinfo", "-l", "-i", image)
    assert "README.TXT;1" in listing
    assert "B.BIN;1" in listing
    assert "A_LABEL" in ask("isoinfo", "-d", "-i", image)
