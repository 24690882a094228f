# SPDX-License-Identifier: Apache-2.0
"""What docs/virtual-drive.md says is so."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from imagerd.devices.virtual.faults import Approach, DriveTrouble, FaultPlan, What
from imagerd.devices.virtual.profile import DriveProfile, profile_names
from imagerd.devices.virtual.surface import Hurt, SurfaceFault

PAGE = Path(__file__).parent.parent / "docs" / "virtual-drive.md"


def test_every_example_is_a_plan_or_a_profile() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    plans = [text for text in examples if "[[" in text]
    assert len(plans) == 4
    assert len(examples) == 5
    for text in plans:
        FaultPlan.parse(text)
    scratch = FaultPlan.parse(plans[0])
    assert 12001 in scratch.unreadable()
    assert 12002 not in scratch.unreadable()
    assert 30000 not in scratch.unreadable()
    profile = DriveProfile.parse(next(text for text in examples if text not in plans))
    assert profile.read_offset == 102


def test_every_key_and_kind_is_described() -> None:
    page = PAGE.read_text(encoding="utf-8")
    words: list[str] = [field.name for field in fields(DriveProfile)]
    words += [field.name for field in fields(SurfaceFault)]
    words += [*What, *Hurt, *Approach, *DriveTrouble, *profile_names()]
    assert [word for word in words if f"`{word}`" not in page] == []
