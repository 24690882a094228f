# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from imagerd.archive.naming import fields_of, fill_template, free_folder, safe_part


@given(st.text())
def test_a_title_is_one_part_of_a_path_whatever_is_in_it(title: str) -> None:
    part = safe_part(title)
    assert part not in {"", ".", ".."}
    assert "/" not in part and "\0" not in part and not part.startswith(".")
    assert len(part.encode()) <= 200


@given(st.text(), st.text())
def test_no_label_can_leave_the_archive(label: str, disc: str) -> None:
    fields = fields_of(
        label=label,
        disc=disc,
        job="0123456789",
        drive="sr0",
        medium="cd",
        now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    path = fill_template("{medium}/{label}_{disc}", fields)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert len(path.parts) == 2


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    first = free_folder(tmp_path, Path("DISC"))
    first.mkdir()
    second = free_folder(tmp_path, Path("DISC"))
    assert (first.name, second.name) == ("DISC", "DISC-2")
    second.mkdir()
    assert free_folder(tmp_path, Path("DISC")).name == "DISC-3"
