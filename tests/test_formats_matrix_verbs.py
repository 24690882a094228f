# SPDX-License-Identifier: Apache-2.0
"""What the verbs say of a disc is the same, whatever container it is in and wherever that keeps
the subchannel: behind each sector, in a file of its own, or nowhere."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from imagerd.base.digests import digest_bytes
from imagerd.base.progress import run
from imagerd.disc.layout import DiscType, Layout, TrackMode
from imagerd.disc.ranges import Extent
from imagerd.formats import Container, Feature, Image, open_image
from imagerd.toolkit.account import accounted
from imagerd.toolkit.beside import map_beside
from imagerd.toolkit.compare import Sameness, compare
from imagerd.toolkit.hashing import hash_source
from imagerd.toolkit.maps import account_of_map
from imagerd.toolkit.merge import merge
from imagerd.toolkit.repair import repair
from imagerd.toolkit.verify import verify
from tests.matrix_discs import CDS, DISCS, GD, LIBCRYPT, WithSub, made, opened
from tests.sources import MemorySource, TrackPlan, audio, data, memory_disc

PLAIN = [container for container in CDS if container is not Container.GDI]
PACKED = (Container.CHD, Container.ECM)


def disc(bad: frozenset[int] = frozenset()) -> MemorySource:
    """Each kind of sector; the audio has a pregap that is in no file of some containers."""
    return memory_disc(
        [
            data(60),
            audio(60, pregap=20, pregap_virtual=5),
            audio(60, pregap=10),
            TrackPlan(TrackMode.MODE2, 60, form2=2),
        ],
        disc_type=DiscType.XA,
        bad=bad,
    )


def damaged(lbas: range) -> WithSub:
    """The disc with bytes changed beyond repair in those sectors."""
    source = disc()
    for lba in lbas:
        source.raw[1][lba, 100:1500] = 0x55
    return WithSub(source)


@pytest.mark.parametrize("name", DISCS)
def test_the_digests_of_the_tracks_are_those_of_the_disc(tmp_path: Path, name: str) -> None:
    source = DISCS[name]
    right = [hashed.digests for hashed in run(hash_source(source)).tracks]
    if not any(track.pregap_virtual for track in source.layout.tracks):
        tracks = source.raw.values()  # type: ignore[attr-defined]  # both kinds have it
        assert right == [digest_bytes(sectors.tobytes()) for sectors in tracks]
    for container in CDS:
        one = made(source, tmp_path / container, container)
        if one is None:
            continue
        with closing(opened(one.path)) as image:
            found = run(hash_source(image, image.files, whole=True))
            gaps = image.layout != source.layout and _gaps(image.layout) != _gaps(source.layout)
        if not gaps:  # else other sectors are stored
            assert [hashed.digests for hashed in found.tracks] == right, container
        assert all(hashed.stored.size == 2352 for hashed in found.tracks)
        for file in found.files:
            assert file.digests == digest_bytes(file.path.read_bytes()), (container, file.path)


def _gaps(layout: Layout) -> list[range]:
    return [track.stored_range for track in layout.tracks]


@pytest.mark.parametrize("container", PLAIN)
def test_verify_and_repair_find_the_same_in_any_container(
    tmp_path: Path, container: Container
) -> None:
    source = disc()
    source.raw[1][7, 300] ^= 1
    source.raw[4][12, 90] ^= 1
    source.raw[1][30, 100:1500] = 0x55
    one = made(WithSub(source, wrong=(3, 7)), tmp_path, container)
    assert one is not None
    assert one.result.wrong.ranges == (range(7, 8), range(30, 31), range(192, 193))
    with closing(opened(one.path)) as image:
        verdict = run(verify(image)).sectors
        found = [area for track in verdict.tracks for area in track.wrong_edc.ranges]
        assert found == [range(7, 8), range(30, 31), range(192, 193)]
        assert not any(track.wrong_header or track.unreadable for track in verdict.tracks)
        if container in PACKED:
            return
        before = {file: file.read_bytes() for file in image.files}
        result = run(repair(image, dry=True))
        assert {file: file.read_bytes() for file in image.files} == before
    assert result.mended.ranges == (range(7, 8), range(192, 193))
    assert result.wrong.ranges == (range(30, 31),)


@pytest.mark.parametrize("container", [c for c in PLAIN if c not in PACKED])
def test_a_repair_leaves_the_subchannel_alone(tmp_path: Path, container: Container) -> None:
    source = disc()
    right = WithSub(disc(), wrong=LIBCRYPT)
    source.raw[1][41, 300] ^= 1
    one = made(WithSub(source, wrong=LIBCRYPT), tmp_path / "one", container)
    two = made(right, tmp_path / "two", container)
    assert one is not None and two is not None
    with closing(opened(one.path)) as image:
        assert run(repair(image)).mended.ranges == (range(41, 42),)
        files = [file.name for file in image.files]
    for name in files:
        mended, good = (tmp_path / where / name for where in ("one", "two"))
        assert mended.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("container", PLAIN)
def test_images_of_different_containers_merge(tmp_path: Path, container: Container) -> None:
    """One with subchannel, one without; each has sectors that the other has not."""
    one = made(damaged(range(5, 9)), tmp_path / "one", container)
    two = made(damaged(range(40, 44)), tmp_path / "two", Container.CUE)
    assert one is not None and two is not None
    target = tmp_path / "whole.cue"
    with closing(opened(one.path)) as first, closing(opened(two.path)) as second:
        result = run(merge([first, second], target))
    assert result.ok
    assert [extent.ranges for extent in result.taken] == [(range(40, 44),), (range(5, 9),)]
    with closing(open_image(target)) as image:
        assert run(compare(image, disc())).outcome is Sameness.EQUAL


@pytest.mark.parametrize("container", PLAIN)
def test_the_subchannel_of_a_merged_image_is_that_of_the_one_that_has_it(
    tmp_path: Path, container: Container
) -> None:
    with_sub = made(WithSub(disc(), wrong=LIBCRYPT), tmp_path / "one", container)
    without = made(disc(), tmp_path / "two", Container.CUE)
    assert with_sub is not None and without is not None
    with closing(opened(without.path)) as first, closing(opened(with_sub.path)) as second:
        had = [second.read(lba, 1).sub for lba in LIBCRYPT]
        run(merge([first, second], tmp_path / "whole.chd"))
    with closing(open_image(tmp_path / "whole.chd")) as image:
        for lba, sub in zip(LIBCRYPT, had, strict=True):
            found = image.read(lba, 1).sub
            assert (found is None) == (sub is None)
            assert sub is None or (found is not None and found.tobytes() == sub.tobytes())


@pytest.mark.parametrize("lba", [209, 210])
def test_a_silent_pregap_is_left_out_of_a_gdi_only_if_it_was_read(tmp_path: Path, lba: int) -> None:
    one = made(MemorySource(GD.layout, GD.raw, frozenset({lba})), tmp_path, Container.GDI)
    assert one is not None
    in_pregap = lba < GD.layout.tracks[1].index1
    assert one.lacks(Feature.PREGAPS) is in_pregap
    with closing(opened(one.path)) as image:
        assert (image.layout.tracks[1].pregap == 0) is in_pregap
        assert unread(image).ranges == (range(lba, lba + 1),)


LOST = frozenset({0, 7, 8, 66, 90, 91, 130, 189, 239})


@pytest.mark.parametrize("with_sub", [False, True])
@pytest.mark.parametrize("container", CDS)
def test_what_could_not_be_read_is_not_good_in_any_container(
    tmp_path: Path, container: Container, with_sub: bool
) -> None:
    """Audio that was not read is silence, which looks good: the map beside the image must fit."""
    source: MemorySource | WithSub
    if container is Container.GDI:
        source = MemorySource(GD.layout, GD.raw, LOST | {45010, 45200})
        lost = source.bad
    else:
        source, lost = disc(bad=LOST), LOST
    one = made(WithSub(source) if with_sub else source, tmp_path, container)
    assert one is not None
    assert not one.result.ok
    with closing(opened(one.path)) as image:
        assert unread(image) == Extent.of(range(lba, lba + 1) for lba in lost)


def unread(image: Image) -> Extent:
    """What `verify` says that was not read, heeding the map beside the image."""
    file = map_beside(image.path)
    account = None if file is None else account_of_map(image, file)
    verdict = run(verify(accounted(image, account))).sectors
    return Extent.of(area for track in verdict.tracks for area in track.unreadable.ranges)
