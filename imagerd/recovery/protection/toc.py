# SPDX-License-Identifier: Apache-2.0
"""Tables of contents that promise more disc than there is."""

from __future__ import annotations

from imagerd.recovery.protection.facts import TRIED, Confidence, Facts, Finding

# Lead-outs seen on discs of Datel and on Breaker Pro, all far behind what was pressed.
_SEEN = frozenset({305_571, 323_849, 368_849, 449_849})
_LONGEST = 360_000  # 80 minutes: what a disc within the standard's tolerances holds
_TAIL = 1000  # sectors that cannot be read up to the lead-out, at least


def fake_toc(facts: Facts) -> Finding | None:
    """A lead-out far behind the volume's end, with sectors before it that no disc can have."""
    layout, volume = facts.layout, facts.volume
    if not layout.is_cd or len(layout.tracks) != 1 or not layout.tracks[0].is_data:
        return None
    if volume is None or not volume.iso9660 or volume.udf or volume.hfs:
        return None
    size = -(-volume.blocks * volume.block_size // 2048)
    end, used = layout.end, _last_used(facts)
    if not size or end <= size or used > size:
        return None
    if end not in _SEEN and end <= _LONGEST:
        return None  # sectors behind the volume are common: padding, run-out
    tail = _tail(facts, size) if facts.files.complete else range(end, end)
    evidence = [
        f"The table of contents puts the lead-out at LBA {end}, the volume ends at {size}, and no"
        " file lies behind that."
    ]
    basis = (
        "Lead-outs of Datel's discs and of Breaker Pro as redumper has them; those behind 80"
        " minutes by what a disc can hold."
    )
    if len(tail) < _TAIL:
        return Finding("Fake TOC", Confidence.POSSIBLE, tuple(evidence), basis)
    evidence.append(f"From LBA {tail.start} up to the lead-out no sector can be read.")
    known = end in _SEEN and end > _LONGEST
    sure = Confidence.CERTAIN if known else Confidence.LIKELY
    return Finding("Fake TOC", sure, tuple(evidence), basis, (tail,))


def _last_used(facts: Facts) -> int:
    ends = [e.extents[-1].stop for e in facts.files.entries if e.extents]
    return max(ends, default=0)


def _tail(facts: Facts, size: int) -> range:
    """The unreadable stretch up to the lead-out, behind the volume's end."""
    end = facts.layout.end
    runs = facts.bad.within(range(size, end), TRIED)
    return runs[-1] if runs and runs[-1].stop == end else range(end, end)
