# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from imagerd.disc.ids import cddb_id, musicbrainz_id, toc_text
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
    single_track,
)
from tests.sources import audio, data, lay_out


def _audio_disc(offsets: list[int], lead_out: int) -> Layout:
    """A disc by its TOC as MusicBrainz writes it: sectors with the 150 of the pregap."""
    ends = [*offsets[1:], lead_out]
    tracks = tuple(
        Track(number, 1, TrackMode.AUDIO, (Index(1, begin - 150),), end - 150)
        for number, (begin, end) in enumerate(zip(offsets, ends, strict=True), 1)
    )
    return Layout(Medium.CD, (Session(1, tracks, lead_out - 150),))


def test_the_musicbrainz_id_of_their_documentation() -> None:
    layout = _audio_disc([150, 15363, 32314, 46592, 63414, 80489], 95462)
    assert musicbrainz_id(layout) == "49HHV7Eb8UKF3aQiNmu1GR8vKTY-"


def test_the_musicbrainz_id_ignores_the_data_session_of_a_cd_extra() -> None:
    plain = lay_out([audio(3000), audio(4000)])
    extra = lay_out([audio(3000), audio(4000), data(500, session=2)])
    assert musicbrainz_id(extra) == musicbrainz_id(plain)


def test_the_cddb_id_follows_its_definition() -> None:
    layout = _audio_disc([150, 15363, 32314, 46592, 63414, 80489], 95462)
    starts = [2, 204, 430, 621, 845, 1073]
    digits = sum(sum(map(int, str(start))) for start in starts)
    length = 95462 // 75 - 2
    assert cddb_id(layout) == f"{digits % 255:02x}{length:04x}{6:02x}"


def test_a_toc_text_tells_discs_apart_that_differ_in_any_address() -> None:
    texts = {
        toc_text(layout)
        for layout in (
            lay_out([audio(3000), audio(4000)]),
            lay_out([audio(3001), audio(3999)]),
            lay_out([audio(3000), audio(4001)]),
            lay_out([data(3000), audio(4000)]),
            lay_out([data(3000), audio(4000, session=2)]),
        )
    }
    assert len(texts) == 5


def test_gaps_between_sessions_belong_to_no_track() -> None:
    layout = lay_out([audio(3000), data(500, session=2)])
    assert list(layout.ranges()) == [range(3000), range(14400, 14900)]
    assert layout.track_at(2999) is layout.tracks[0]
    assert layout.track_at(3000) is None
    assert layout.track_at(14400) is layout.tracks[1]
    assert layout.track_at(14900) is None
    assert (layout.start, layout.end, layout.sectors) == (0, 14900, 3500)


def test_a_pregap_belongs_to_its_track_and_virtual_parts_are_not_stored() -> None:
    track = Track(
        2,
        1,
        TrackMode.AUDIO,
        (Index(0, 100), Index(1, 250), Index(2, 300)),
        400,
        pregap_virtual=150,
        postgap_virtual=10,
    )
    assert (track.start, track.index1, track.pregap) == (100, 250, 150)
    assert track.stored_range == range(250, 390)
    assert [track.index_at(lba) for lba in (100, 249, 250, 299, 300, 399)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "indexes",
    [
        (),
        (Index(0, 0),),
        (Index(2, 0),),
        (Index(1, 10), Index(0, 20)),
        (Index(0, 20), Index(1, 10)),
        (Index(1, 10), Index(1, 20)),
    ],
)
def test_indexes_that_make_no_track_are_refused(indexes: tuple[Index, ...]) -> None:
    with pytest.raises(ValueError, match="bad indexes"):
        Track(1, 1, TrackMode.AUDIO, indexes, 100)


def test_a_track_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="before its last index"):
        Track(1, 1, TrackMode.AUDIO, (Index(1, 50),), 49)


def test_a_single_track_says_what_it_is() -> None:
    layout = single_track(
        100, TrackMode.BLOCKS, medium=Medium.DVD, stored=SectorFormat.USER, layers=(60,)
    )
    assert not layout.is_cd
    assert layout.layers == (60,)
    assert layout.tracks[0].control is Control.DATA
    assert single_track(10, TrackMode.AUDIO).tracks[0].control is Control.NONE
