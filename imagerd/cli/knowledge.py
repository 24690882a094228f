# SPDX-License-Identifier: Apache-2.0
"""What is known of a model of drive, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagerd.cli import text

if TYPE_CHECKING:
    from imagerd.devices.knowledge.record import DriveKnowledge

_RAW = 2352
_UNKNOWN = "not known"
_LONGEST_LEAD_OUT = 100


def lines(known: DriveKnowledge, offset: str) -> Iterator[str]:
    """One line for each answer; `offset` tells the read offset."""
    pairs = [
        ("C2 pointers", _c2(known)),
        ("subchannel", _sub(known)),
        ("its lag", _sectors(known.sub_lag)),
        ("formatted Q", _formatted_q(known)),
        ("data as CD-DA", _word(known.as_audio)),
        ("READ CD-DA (D8)", _yes(known.d8, "taken", "refused")),
        ("cache", _cache(known)),
        ("READ(12) with FUA", _word(known.fua)),
        ("FUA of no sectors", _word(known.flush, obeyed="empties the cache")),
        (
            "reading far away",
            _yes(known.far_read_empties, "empties the cache", "does not empty it"),
        ),
        ("before LBA 0", _sectors(known.pregap)),
        ("lead-in", _yes(known.lead_in, "can be read", "refused")),
        ("lead-out", _lead_out(known)),
        ("read offset", offset),
    ]
    yield from text.facts(
        (name, text.faint(value) if value == _UNKNOWN else value) for name, value in pairs
    )
    if known.hung:
        yield text.doubtful(f"  The drive hung at: {', '.join(known.hung)}.")


def _c2(known: DriveKnowledge) -> str:
    if known.c2_sizes is None:
        return _UNKNOWN
    return f"{' and '.join(map(str, known.c2_sizes))} bytes" if known.c2_sizes else "none"


def _sub(known: DriveKnowledge) -> str:
    if known.raw_sub is None:
        return _UNKNOWN
    if not known.raw_sub:
        return "no raw P–W"
    return "raw P–W" if known.order is None else f"raw P–W; with C2: {known.order.value}"


def _formatted_q(known: DriveKnowledge) -> str:
    if known.formatted_q is None:
        return _UNKNOWN
    if not known.formatted_q:
        return "refused"
    if known.q_binary is None:
        return "comes, its form not known"
    form = "binary" if known.q_binary else "BCD"
    return f"{form}, {'with' if known.q_crc else 'without'} its CRC"


def _cache(known: DriveKnowledge) -> str:
    holds, loses = known.cache_holds, known.cache_loses
    if holds is None:
        return _UNKNOWN
    if loses is None:
        return f"{text.grouped(holds)} sectors or more ({_mib(holds)})"
    sectors = f"{text.grouped(holds)} to {text.grouped(loses)} sectors"
    return f"{sectors} ({_mib(holds)} to {_mib(loses)})"


def _mib(sectors: int) -> str:
    return f"{sectors * _RAW / (1 << 20):.1f} MiB"


def _lead_out(known: DriveKnowledge) -> str:
    more = " or more" if known.lead_out == _LONGEST_LEAD_OUT else ""
    return _sectors(known.lead_out) + more


def _sectors(number: int | None) -> str:
    if number is None:
        return _UNKNOWN
    return f"-{text.count(-number, 'sector')}" if number < 0 else text.count(number, "sector")


def _yes(answer: bool | None, yes: str, no: str) -> str:
    return _UNKNOWN if answer is None else yes if answer else no


def _word(answer: str | None, *, obeyed: str = "obeyed") -> str:
    if answer is None:
        return _UNKNOWN
    return obeyed if answer == "obeyed" else str(answer)
