# SPDX-License-Identifier: Apache-2.0
"""Sectors that are bad and are no damage: made so by a protection, or left so by a recorder."""

from __future__ import annotations

from collections.abc import Iterable

from imagerd.recovery import borders
from imagerd.recovery.protection.facts import Finding
from imagerd.recovery.protection.recognise import expected
from imagerd.recovery.sectormap import RangeSet
from imagerd.recovery.workspace import Workspace


def bad_on_purpose(work: Workspace, findings: Iterable[Finding]) -> RangeSet:
    """Where reading again is in vain, and mending would be wrong. `findings`: of `recognise_in`."""
    sectors = expected(findings)
    for part in borders.expected(work):
        sectors.add(part)
    return sectors
