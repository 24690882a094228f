# SPDX-License-Identifier: Apache-2.0
"""From a CD's TOC, as drives give it, to a layout.

The TOC tells where INDEX 01 of every track is and where the lead-outs begin, nothing else. Until Q
tells more, a track reaches from its INDEX 01 to the next one's: the pregap (INDEX 00) before a
track counts as the end of the track before it, though on a change between audio and data at least
its last 150 sectors are of the later track's kind. Sessions are bounded by their own lead-outs;
the lead-out, lead-in and pregap between two sessions belong to neither. What lies before INDEX 01
of the disc's first track, from LBA 0 on, is that track's INDEX 00.

Full TOC (format 2) is Q of the lead-in and is preferred; format 0 is the drive's own digest of it.
Sources: MMC-6, 6.25; ECMA-130, clause 22; ECMA-394.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imagerd.base.errors import UnreadableDisc
from imagerd.devices.mmc_toc import LEAD_OUT, FullToc, SessionInfo, Toc, TocEntry
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import LBA_MAX, PREGAP, Msf, from_bcd

GAP_FIRST = 11400  # lead-out 6750, lead-in 4500, pregap 150
GAP_LATER = 6900  # lead-out 2250 after any later session
_A0, _A2 = 0xA0, 0xA2


@dataclass(frozen=True, slots=True)
class Start:
    """A track in the TOC: its number, session, CONTROL and the LBA of INDEX 01."""

    number: int
    session: int
    control: Control
    lba: int

    @property
    def is_data(self) -> bool:
        """Whether CONTROL says that it holds data."""
        return bool(self.control & Control.DATA)


@dataclass(frozen=True, slots=True)
class DiscToc:
    """A TOC made out: tracks in ascending order, lead-outs by session, what was odd about it."""

    tracks: tuple[Start, ...]
    lead_outs: Mapping[int, int]
    disc_type: DiscType = DiscType.CDDA_OR_ROM
    warnings: tuple[str, ...] = ()

    def in_session(self, session: int) -> tuple[Start, ...]:
        """The tracks of one session."""
        return tuple(track for track in self.tracks if track.session == session)

    @property
    def sessions(self) -> tuple[int, ...]:
        """Numbers of the sessions that have tracks."""
        return tuple(sorted({track.session for track in self.tracks}))

    def end_of(self, track: Start) -> int:
        """One past the track's last sector: the next track in its session, or the lead-out."""
        later = [t.lba for t in self.in_session(track.session) if t.number > track.number]
        return min(later, default=self.lead_outs[track.session])


def decode(full: FullToc | None, simple: Toc | None, last: SessionInfo | None) -> DiscToc:
    """The TOC that the drive's replies agree on best.

    Rules: the full TOC counts if it makes sense. Where format 0 disagrees with it that is a
    warning; but if the full TOC agrees once its addresses are taken as BCD (some drives hand them
    out unconverted) they are BCD, and if format 0 knows tracks that the full TOC lacks (drives
    that read only the first session's) format 0 counts. Raises `UnreadableDisc` if neither
    holds a track.
    """
    by_simple = _from_simple(simple, last) if simple is not None else None
    by_full = _best_full(full, by_simple) if full is not None else None
    if by_full is None and by_simple is None:
        raise UnreadableDisc("The disc has no readable table of contents; clean it or try again.")
    if by_full is None or by_simple is None:
        chosen = by_full or by_simple
        assert chosen is not None
        return chosen
    return _cross_check(by_full, by_simple)


def _best_full(full: FullToc, simple: DiscToc | None) -> DiscToc | None:
    end = None if simple is None else max(simple.lead_outs.values())
    binary = _from_full(full, bcd=False, end=end)
    if simple is None or (binary is not None and _agree(binary, simple)):
        return binary
    decimal = _from_full(full, bcd=True, end=end)
    return decimal if decimal is not None and _agree(decimal, simple) else binary


def _agree(one: DiscToc, other: DiscToc) -> bool:
    """Same tracks, starts and end. Format 0 knows no earlier lead-outs."""
    starts = [{t.number: t.lba for t in toc.tracks} for toc in (one, other)]
    ends = [max(toc.lead_outs.values()) for toc in (one, other)]
    return starts[0] == starts[1] and ends[0] == ends[1]


def _cross_check(full: DiscToc, simple: DiscToc) -> DiscToc:
    ours = {track.number: track for track in full.tracks}
    theirs = {track.number: track for track in simple.tracks}
    if set(theirs) - set(ours):
        lacking = ", ".join(map(str, sorted(set(theirs) - set(ours))))
        note = f"The full TOC lacks track {lacking}; the short TOC is used instead."
        return DiscToc(simple.tracks, simple.lead_outs, full.disc_type, (*simple.warnings, note))
    notes = list(full.warnings)
    notes += [
        f"Track {number} begins at LBA {ours[number].lba} in the full TOC, at"
        f" {theirs[number].lba} in the short one; the full TOC is used."
        for number in sorted(set(ours) & set(theirs))
        if ours[number].lba != theirs[number].lba
    ]
    end, other_end = max(full.lead_outs.values()), max(simple.lead_outs.values())
    if end != other_end:
        notes.append(
            f"The lead-out is at LBA {end} in the full TOC, at {other_end} in the short one;"
            " the full TOC is used."
        )
    return DiscToc(full.tracks, full.lead_outs, full.disc_type, tuple(notes))


def _from_full(full: FullToc, *, bcd: bool, end: int | None) -> DiscToc | None:
    """None if the entries hold no track, or addresses that are none.

    `end` is the last lead-out by format 0, for a full TOC that lacks it: else the last track, of
    which nobody would miss the rest, were one sector long.
    """
    starts: dict[int, Start] = {}
    lead_outs: dict[int, int] = {}
    disc_type = DiscType.CDDA_OR_ROM
    try:
        for entry in full.entries:
            point = from_bcd(entry.point) if bcd and entry.point < _A0 else entry.point
            if entry.adr != 1:
                continue
            if 1 <= point <= 99:
                start = Start(point, entry.session, Control(entry.control), _address(entry, bcd))
                starts.setdefault(point, start)
            elif point == _A0:
                disc_type = _disc_type(entry.start[1], disc_type)
            elif point == _A2:
                lead_outs.setdefault(entry.session, _address(entry, bcd))
    except ValueError:
        return None
    if not starts:
        return None
    last = max(starts.values(), key=lambda start: start.lba)
    lacks_end = last.session not in lead_outs and end is not None and end > last.lba
    if end is not None and lacks_end:
        lead_outs[last.session] = end
    settled = _settle(list(starts.values()), lead_outs, disc_type)
    if settled is None or not lacks_end:
        return settled
    note = f"The full TOC lacks the last lead-out; that of the short one, LBA {end}, is used."
    return replace(settled, warnings=(*settled.warnings, note))


def _address(entry: TocEntry, bcd: bool) -> int:
    """PMIN:PSEC:PFRAME as LBA; 90 minutes and more are an overlong disc, not the lead-in."""
    parts = [from_bcd(part) for part in entry.start] if bcd else entry.start
    return Msf(*parts).program_lba


def _disc_type(psec: int, otherwise: DiscType) -> DiscType:
    try:
        return DiscType(psec)
    except ValueError:
        return otherwise


def _from_simple(toc: Toc, last: SessionInfo | None) -> DiscToc | None:
    """Format 0 knows no sessions; format 1 adds where the last one begins."""
    lines = [line for line in toc.tracks if 1 <= line.number <= 99]
    ends = [line.lba for line in toc.tracks if line.number == LEAD_OUT]
    if not lines or not ends:
        return None
    several = last is not None and last.last > last.first and last.track > toc.first
    starts = [
        Start(
            line.number,
            last.last if several and last is not None and line.number >= last.track else 1,
            Control(line.control),
            line.lba,
        )
        for line in lines
    ]
    final = starts[-1].session
    settled = _settle(starts, {final: ends[-1]}, DiscType.CDDA_OR_ROM)
    if settled is not None and final > 2:
        note = "The drive tells only where the last session begins; earlier ones count as one."
        return DiscToc(
            settled.tracks, settled.lead_outs, settled.disc_type, (*settled.warnings, note)
        )
    return settled


def _settle(starts: list[Start], lead_outs: dict[int, int], disc_type: DiscType) -> DiscToc | None:
    """Keep what ascends in number, session and address; supply lead-outs that are not told."""
    kept: list[Start] = []
    notes: list[str] = []
    for start in sorted(starts, key=lambda s: (s.session, s.number)):
        bound = lead_outs.get(start.session)
        fits = -PREGAP <= start.lba <= LBA_MAX
        fits &= not kept or (start.lba > kept[-1].lba and start.number > kept[-1].number)
        if fits and (bound is None or start.lba < bound):
            kept.append(start)
        else:
            notes.append(
                f"The TOC puts track {start.number} at LBA {start.lba}, where it cannot be;"
                " it is left out."
            )
    if not kept:
        return None
    ends: dict[int, int] = {}
    for session in sorted({start.session for start in kept}):
        last = max(s.lba for s in kept if s.session == session)
        following = min((s.lba for s in kept if s.session > session), default=None)
        end, note = _lead_out(session, lead_outs.get(session), last, following)
        ends[session] = end
        notes += note
    return DiscToc(tuple(kept), ends, disc_type, tuple(notes))


def _lead_out(
    session: int, told: int | None, last: int, following: int | None
) -> tuple[int, list[str]]:
    """A session's lead-out: as told, or as far before the next session as the standard has it."""
    if told is not None and told <= (LBA_MAX + 1 if following is None else following):
        return told, []
    if following is None:
        return last + 1, [
            f"The TOC has no usable lead-out of session {session}: its end is unknown."
        ]
    gap = GAP_FIRST if session == 1 else GAP_LATER
    guess = max(following - gap, last + 1)
    return guess, [f"The TOC has no usable lead-out of session {session}; LBA {guess} is assumed."]


def build_layout(
    toc: DiscToc,
    modes: Mapping[int, TrackMode],
    *,
    mcn: str | None = None,
    isrcs: Mapping[int, str] | None = None,
    cd_text: CdText | None = None,
) -> Layout:
    """The layout of a CD. `modes` gives the mode of each data track; mode 1 where it is lacking.

    Stored format is raw throughout, as READ CD gives it.
    """
    codes = isrcs or {}
    sessions = []
    for number in toc.sessions:
        starts = toc.in_session(number)
        tracks = tuple(
            _track(start, toc, modes, codes.get(start.number), first=start is toc.tracks[0])
            for start in starts
        )
        sessions.append(Session(number, tracks, toc.lead_outs[number]))
    return Layout(Medium.CD, tuple(sessions), toc.disc_type, mcn, cd_text)


def _track(
    start: Start, toc: DiscToc, modes: Mapping[int, TrackMode], isrc: str | None, *, first: bool
) -> Track:
    mode = modes.get(start.number, TrackMode.MODE1) if start.is_data else TrackMode.AUDIO
    hidden = (Index(0, 0),) if first and start.lba > 0 else ()
    return Track(
        number=start.number,
        session=start.session,
        mode=mode,
        indexes=(*hidden, Index(1, start.lba)),
        end=toc.end_of(start),
        control=start.control,
        isrc=isrc,
    )
