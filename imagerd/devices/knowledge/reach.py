# SPDX-License-Identifier: Apache-2.0
"""How far beyond the program area a drive reads: first pregap, lead-in, lead-out.

Some drives do not refuse what they cannot reach but give the nearest sector again and again. So the
subchannel is asked for as well, where there is one: a sector that names another place is none.
"""

from __future__ import annotations

from dataclasses import replace as with_field

from msgspec.structs import replace

from imagerd.devices.knowledge.bench import Bench, is_refused, patient, records_of
from imagerd.devices.knowledge.forms import q_address
from imagerd.devices.knowledge.record import DriveKnowledge
from imagerd.devices.knowledge.site import Site
from imagerd.devices.mmc_read import SubSelect

_PREGAPS = (150, 135, 75, 1)  # where drives are known to end
_LEAD_IN = -151  # its last sector
_LEAD_OUT = 100  # sectors; nobody needs more to make up for a read offset


def pregap(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """The first of 150, 135, 75 and 1 sectors before LBA 0 that can be read; 0 if none can."""
    if site.layout.start != 0:
        return known
    for depth in _PREGAPS:
        reads = _reads(bench, -depth, known)
        if reads is None:
            return known
        if reads:
            return replace(known, pregap=depth)
    return replace(known, pregap=0)


def lead_in(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether the last sector of the lead-in can be read."""
    return replace(known, lead_in=_reads(bench, _LEAD_IN, known))


def lead_out(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """How many sectors of the lead-out can be read, by halving."""
    end = site.layout.end
    low, high = 0, _LEAD_OUT + 1  # so many can be read, so many cannot
    guess = 1
    while high - low > 1:
        reads = _reads(bench, end + guess - 1, known)
        if reads is None:
            return known
        low, high = (guess, high) if reads else (low, guess)
        guess = _LEAD_OUT if low == 1 and high > _LEAD_OUT else (low + high) // 2
    return replace(known, lead_out=low)


def _reads(bench: Bench, lba: int, known: DriveKnowledge) -> bool | None:
    """Whether a sector is read or refused; None for any other failure, which tells nothing."""
    request = patient(lba, 1)
    asks_sub = known.raw_sub and known.sub_lag is not None
    if asks_sub:
        request = with_field(request, sub=SubSelect.RAW)
    reply = bench.execute(request.command())
    records = records_of(reply, request)
    if records is None:
        return False if is_refused(reply) else None
    named = q_address(records) if asks_sub else None
    return named is None or named == lba - (known.sub_lag or 0)
