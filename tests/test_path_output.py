# SPDX-License-Identifier: Apache-2.0
"""Which container an image becomes, and what correcting a read offset does to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.catalog.records import JobState
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.disc.layout import DiscType, TrackMode
from imagerd.disc.source import Bytes2D
from tests.path_way import Archived, Way, assert_accounts_agree, sectors_of, way
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc

SAMPLES = 588  # of a sector
XA = TrackPlan(TrackMode.MODE2, 300, form2=3)
FORM1 = TrackPlan(TrackMode.MODE2, 300)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as made:
        yield made


def spoilt(lba: int, offset: int) -> MemorySource:
    """A mode 1 disc with one odd byte."""
    disc = memory_disc([data(300)])
    disc.raw[1][lba, offset] ^= 0x40
    return disc


@pytest.mark.parametrize(
    ("disc", "suffix"),
    [
        (memory_disc([data(300)]), ".iso"),
        (memory_disc([FORM1], disc_type=DiscType.XA), ".cue"),
        (memory_disc([XA], disc_type=DiscType.XA), ".cue"),
        (memory_disc([data(300), audio(400, 150)]), ".cue"),
        (memory_disc([data(300), data(300)]), ".cue"),
        (memory_disc([data(300), data(300, session=2)]), ".cue"),
        (memory_disc([audio(300)]), ".cue"),
        (memory_blocks(300), ".iso"),
        (memory_blocks(300, layers=(160,)), ".iso"),
    ],
    ids=["mode 1", "form 1", "XA", "mixed", "two data tracks", "two sessions", "audio", "DVD",
         "two layers"],
)  # fmt: skip
def test_only_what_an_iso_loses_nothing_of_becomes_one(
    there: Way, disc: MemorySource, suffix: str
) -> None:
    done = there.archive(disc)
    assert done.main.suffix == suffix
    assert done.outcome.state is JobState.DONE
    assert done.image.notes, "the reason is told"


@pytest.mark.parametrize(
    "offset",
    [5, 12, 15, 16 + 77, 2064, 2070, 2100, 2300],
    ids=["sync", "address", "mode", "data", "EDC", "zeros", "P", "Q"],
)
def test_one_odd_sector_keeps_a_disc_raw(there: Way, offset: int) -> None:
    # Right user data over odd parity is no damage to a reader, and still no .iso has it.
    disc = spoilt(200, offset)
    done = there.archive(disc)
    assert_accounts_agree(done, disc.layout)
    found, right = in_image(done), sectors_of(disc)
    mended = np.array_equal(found[200], sectors_of(memory_disc([data(300)]))[200])
    assert np.array_equal(found[200], right[200]) or (mended and _says_mended(done, 200))
    assert all(np.array_equal(found[lba], right[lba]) for lba in right if lba != 200)
    assert done.main.suffix == (".iso" if mended else ".cue")


def in_image(done: Archived) -> dict[int, Bytes2D]:
    with done.opened() as image:
        return sectors_of(image)


def _says_mended(done: Archived, lba: int) -> bool:
    return any(entry.repaired and entry.lba <= lba < entry.end for entry in done.ranges)


def test_the_policy_can_ask_for_raw(tmp_path: Path) -> None:
    disc = memory_disc([data(300)])
    with way(tmp_path, "output = 'cue'") as there:
        done = there.archive(disc)
        assert done.main.suffix == ".cue"
        found, right = in_image(done), sectors_of(disc)
        assert all(np.array_equal(found[lba], row) for lba, row in right.items())
        assert there.archive(memory_blocks(300)).main.suffix == ".iso"


def test_the_policy_can_ask_for_user_data_and_is_told_what_that_loses(tmp_path: Path) -> None:
    disc = memory_disc([data(300), audio(400, 150)])
    with way(tmp_path, "output = 'iso'") as there:
        done = there.archive(disc)
        assert done.main.suffix == ".iso"
        assert any("audio track 2" in note for note in done.image.notes)
        user = np.stack([disc.raw[1][row, 16:2064] for row in range(300)])
        assert done.main.read_bytes() == user.tobytes()
        assert there.archive(memory_disc([audio(300)])).main.suffix == ".cue"
        odd = there.archive(spoilt(200, 2100))
        assert odd.main.suffix == ".iso"
        form1 = there.archive(memory_disc([FORM1]))
        assert form1.main.suffix == ".iso"


def test_the_map_of_a_part_of_a_disc_is_about_that_part(tmp_path: Path) -> None:
    disc = memory_disc([data(300), audio(400, 150)])
    plan = FaultPlan.parse("[[sectors]]\nwhat = 'unreadable'\nlba = [50, 500]\ncount = 2")
    with way(tmp_path, "output = 'iso'") as there:
        done = there.archive(disc, plan)
        size = done.main.stat().st_size
    blocks = done.map.blocks
    assert blocks[-1].pos + blocks[-1].size == size
    assert [(b.pos, b.size) for b in blocks if b.status != "+"] == [(50 * 2048, 2 * 2048)]


def test_forms_that_an_iso_cannot_hold_are_not_cut_silently(tmp_path: Path) -> None:
    with way(tmp_path, "output = 'iso'") as there:
        outcome = there.go(memory_disc([XA], disc_type=DiscType.XA))
    assert outcome.state is not JobState.DONE or outcome.image is None
    assert "form 2" in outcome.sentence


# -- read offset -------------------------------------------------------------------------------

MUSIC = [audio(300, 60), audio(300, 75)]
MIXED = [data(300), audio(400, 150), audio(300)]


@pytest.mark.parametrize("samples", [30, 667, -24, -600, 1234])
@pytest.mark.parametrize("plans", [MUSIC, MIXED], ids=["music", "mixed"])
def test_a_drives_read_offset_is_taken_out_of_the_audio(
    tmp_path: Path, plans: list[TrackPlan], samples: int
) -> None:
    disc = memory_disc(plans)
    extra = f'[drives."virtual:virtual"]\nread_offset = {samples}'
    with way(tmp_path, extra=extra) as there:
        done = there.archive(disc, read_offset=samples)
    assert done.image.read_offset == samples
    assert any(f"{samples} samples" in note for note in done.image.notes)
    found, right = in_image(done), sectors_of(disc)
    whole = np.concatenate([found[lba] for lba in sorted(found)])
    wanted = np.concatenate([right[lba] for lba in sorted(right)])
    begin = next(t.start for t in disc.layout.tracks if not t.is_data) * 2352
    # This drive reads before the disc, not behind it. What it would have had to read there, or
    # where data is, is silence, and said to be so.
    lost = abs(samples) * 4
    if samples > 0:
        wanted[-lost:] = 0
    elif begin:
        wanted[begin : begin + lost] = 0
    assert np.array_equal(whole, wanted)
    silent = any("silence" in note for note in done.image.notes)
    assert silent is (samples > 0 or begin > 0)


def test_a_disc_without_audio_was_not_corrected_by_anything(tmp_path: Path) -> None:
    extra = '[drives."virtual:virtual"]\nread_offset = 30'
    with way(tmp_path, extra=extra) as there:
        for disc in (memory_disc([data(300)]), memory_blocks(300)):
            done = there.archive(disc, read_offset=30)
            assert done.image.read_offset is None
            assert not any("offset" in note for note in done.image.notes)


@settings(max_examples=25, deadline=None)
@given(
    plans=st.sampled_from([MUSIC, MIXED]),
    samples=st.integers(-1300, 1300),
    lbas=st.sets(st.integers(5, 570), min_size=1, max_size=4),
)
def test_after_a_correction_the_accounts_are_about_the_sectors_of_the_image(
    tmp_path_factory: pytest.TempPathFactory, plans: list[TrackPlan], samples: int, lbas: set[int]
) -> None:
    disc = memory_disc(plans)
    plan = FaultPlan.parse(f"[[sectors]]\nwhat = 'unreadable'\nlba = {sorted(lbas)}\ncount = 2")
    extra = f'[drives."virtual:virtual"]\nread_offset = {samples}'
    with way(tmp_path_factory.mktemp("offset"), extra=extra) as there:
        done = there.archive(disc, plan, read_offset=samples)
    assert_accounts_agree(done, disc.layout)
    found, right = in_image(done), sectors_of(disc)
    edge = -(-abs(samples) // SAMPLES)
    end = disc.layout.end
    begin = next(track.start for track in disc.layout.tracks if not track.is_data)
    padded = range(end - edge, end) if samples > 0 else range(begin, begin + edge)
    wrong = {lba for lba, row in right.items() if not np.array_equal(found[lba], row)}
    assert wrong - set(padded) <= done.bad()
    near = {at for lba in lbas for at in range(lba - edge, lba + 2 + edge)}
    assert done.bad() <= near, "a sector is called bad that has no part of a bad one"
    assert {lba for lba in done.bad() if lba < begin} == {
        at for lba in lbas for at in (lba, lba + 1) if at < begin
    }, "data are not moved"
