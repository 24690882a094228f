# SPDX-License-Identifier: Apache-2.0
"""What lies between two sessions: a lead-out, a lead-in and a pregap (MMC-6, 4.2.3.5)."""

from __future__ import annotations

LEAD_IN = 4500  # one minute
SESSION_PREGAP = 150  # two seconds
FIRST_LEAD_OUT = 6750  # a minute and a half
LATER_LEAD_OUT = 2250  # half a minute
GD_HIGH_DENSITY = 45000  # LBA of INDEX 01 of the first track of a GD-ROM's high-density area


def lead_out_length(session: int) -> int:
    """Sectors of the lead-out of session `session` (from 1)."""
    return FIRST_LEAD_OUT if session <= 1 else LATER_LEAD_OUT


def gap_after(session: int) -> int:
    """Sectors from the lead-out of session `session` to LBA 0 of the next: 11400, later 6900."""
    return lead_out_length(session) + LEAD_IN + SESSION_PREGAP
