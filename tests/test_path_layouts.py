# SPDX-License-Identifier: Apache-2.0
"""Any sound disc through a drive into the archive: the image is that disc."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from imagerd.catalog.records import JobState
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import Layout, TrackMode
from tests.path_way import (
    PROFILES,
    Archived,
    Way,
    as_read,
    assert_accounts_agree,
    sectors_of,
    way,
)
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_path import discs


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as made:
        yield made


def is_plain_data(layout: Layout) -> bool:
    return [track.mode for track in layout.tracks] == [TrackMode.MODE1]


def assert_same_disc(done: Archived, source: MemorySource, expected: Layout) -> None:
    """The image's layout and every sector."""
    with done.opened() as image:
        assert not image.warnings
        if image.format == "cue":
            assert image.layout == expected
        # An .iso does not tell whether it is of a CD: a small one is taken for one.
        found, right = sectors_of(image, raw=source.layout.is_cd), sectors_of(source)
        assert found.keys() == right.keys()
        differing = [lba for lba, row in right.items() if not np.array_equal(found[lba], row)]
        assert not differing


def assert_hashes(done: Archived, source: MemorySource) -> None:
    """Files and tracks have in the catalog the digests that hashlib gives for them."""
    for file in done.image.files:
        raw = (done.main.parent / file.path).read_bytes()
        assert (file.digests.size, file.digests.md5) == (len(raw), hashlib.md5(raw).hexdigest())
        assert file.digests.sha1 == hashlib.sha1(raw).hexdigest()
        assert file.digests.sha256 == hashlib.sha256(raw).hexdigest()
    listed = {file.path for file in done.image.files}
    assert listed == {path.name for path in done.main.parent.iterdir()}
    right = sectors_of(source)
    for track in done.image.tracks:
        rows = [right[lba] for lba in range(track.start, track.end)]
        if done.image.format == "iso" and source.layout.is_cd:
            rows = [row[16:2064] for row in rows]
        assert track.digests is not None
        assert track.digests.sha256 == hashlib.sha256(np.stack(rows).tobytes()).hexdigest(), (
            track.number
        )


@settings(max_examples=60, deadline=None)
@given(disc=discs(), profile=st.sampled_from(PROFILES))
@example(disc=memory_blocks(2000, layers=(1008,)), profile="plain")
@example(disc=memory_disc([audio(900, 400), audio(300)]), profile="liar")
def test_any_disc_comes_out_as_it_is(there: Way, disc: MemorySource, profile: str) -> None:
    assume(disc.layout.medium.value in DriveProfile.load(profile).media)
    done = there.archive(disc, profile=profile)
    assert done.outcome.state is JobState.DONE, done.outcome
    expected = as_read(disc.layout, sub=profile != "no-c2")
    assert_same_disc(done, disc, expected)
    assert_accounts_agree(done, disc.layout)
    assert_hashes(done, disc)
    # A drive refuses a command that reaches from data into the audio of a long pause.
    assert all(entry.kind == "refused" for entry in done.ranges)
    only_user_data = not disc.layout.is_cd or is_plain_data(disc.layout)
    assert done.image.format == ("iso" if only_user_data else "cue")
    assert done.image.disc is not None
    assert done.image.disc.layout.get("layers", []) == list(disc.layout.layers)
    shutil.rmtree(done.main.parent)


def test_a_disc_with_a_file_for_each_track_is_the_same_disc(tmp_path: Path) -> None:
    disc = memory_disc([data(300), audio(400, 150), audio(300, 75, isrc="QZIMG2600001")])
    with way(tmp_path, "split_tracks = true") as there:
        done = there.archive(disc)
        assert_same_disc(done, disc, as_read(disc.layout))
        assert_hashes(done, disc)
        assert len(list(done.main.parent.glob("*.bin"))) == 3


def test_the_subchannel_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    disc = memory_disc([audio(300), audio(300, 75, isrc="QZIMG2600001")], mcn="4006381333931")
    with way(tmp_path, "keep_subchannel = true") as there:
        done = there.archive(disc)
        raw = (done.main.with_suffix(".sub")).read_bytes()
    assert len(raw) == 600 * 96
    # De-interleaved: P, then Q, 12 bytes each. Frame 10 is in track 1 at 00:02:10.
    q = raw[10 * 96 + 12 : 10 * 96 + 24]
    assert (q[0], q[1], q[2], q[7:10].hex()) == (0x01, 1, 1, "000210")
