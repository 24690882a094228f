# SPDX-License-Identifier: Apache-2.0
"""Ids that the world gives to discs: MusicBrainz and CDDB (FreeDB), both out of the TOC."""

from __future__ import annotations

import base64

from imagerd.disc.layout import Layout, Track
from imagerd.disc.msf import FRAMES_PER_SECOND, PREGAP

_GAP_BEFORE_DATA_SESSION = 11400  # lead-out 6750 + lead-in 4500 + pregap 150


def _musicbrainz_toc(layout: Layout) -> tuple[list[Track], int]:
    """The audio part of a disc: a data track in a later session does not count."""
    tracks = list(layout.tracks)
    lead_out = layout.end
    while len(tracks) > 1 and tracks[-1].is_data and tracks[-1].session > 1:
        lead_out = tracks.pop().index1 - _GAP_BEFORE_DATA_SESSION
    return tracks, lead_out


def musicbrainz_id(layout: Layout) -> str:
    """The MusicBrainz disc id: SHA-1 over the hexadecimal TOC, in their base 64."""
    tracks, lead_out = _musicbrainz_toc(layout)
    offsets = [0] * 100
    offsets[0] = lead_out + PREGAP
    for track in tracks:
        offsets[track.number] = track.index1 + PREGAP
    text = f"{tracks[0].number:02X}{tracks[-1].number:02X}" + "".join(f"{o:08X}" for o in offsets)
    import hashlib  # with OpenSSL behind it, so only where it is needed

    digest = hashlib.sha1(text.encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest, b"._").decode().replace("=", "-")


def cddb_id(layout: Layout) -> str:
    """The CDDB1 id, eight hexadecimal digits."""
    starts = [(track.index1 + PREGAP) // FRAMES_PER_SECOND for track in layout.tracks]
    checksum = sum(int(digit) for start in starts for digit in str(start))
    length = (layout.end + PREGAP) // FRAMES_PER_SECOND - starts[0]
    return f"{checksum % 255 << 24 | length << 8 | len(starts):08x}"


def toc_text(layout: Layout) -> str:
    """The TOC in one line, canonical: what fingerprints and the catalog hold."""
    parts = [
        f"{track.session}/{track.number}{'d' if track.is_data else 'a'}@{track.index1}"
        for track in layout.tracks
    ]
    leads = [f"lead-out{session.number}@{session.lead_out}" for session in layout.sessions]
    return " ".join([layout.medium.value, *parts, *leads])
