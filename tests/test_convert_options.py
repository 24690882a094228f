# SPDX-License-Identifier: Apache-2.0
"""`convert`: what is lost is named before, what is meant is left, what was written is read back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import Control, Layout, SectorFormat, TrackMode, single_track
from imagerd.formats import Container, Feature, losses, open_image
from imagerd.formats.features import WHOLE_CD, lost
from imagerd.formats.registry import ROWS
from imagerd.sectors.convert import to_raw
from imagerd.toolkit.convert import ConvertOptions, convert
from tests.protected_discs import placed_iso, strewn
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_formats import layouts
from tests.toolkit_images import write_cue, write_iso

MIXED = (data(60), audio(30, pregap=10), audio(25, isrc="DEA371500001"))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


# -- forms of a container -------------------------------------------------------------------------


@pytest.mark.parametrize("container", [c for c in Container if ROWS[c].variants])
def test_every_form_of_a_container_is_in_the_help(container: Container) -> None:
    said = " ".join(imagerctl("convert", "--help").output.split())
    about = said[said.index("--as asks for another form") :]
    for variant in ROWS[container].variants:
        assert re.search(rf"\b{variant.word}", about), variant.word
    assert f".{container}" in about


def test_a_form_that_is_none_is_a_sentence_and_writes_nothing(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    before = set(tmp_path.iterdir())
    for form, target in (("1", "x.ccd"), ("tao", "x.cso"), ("flac", "x.nrg"), ("zlib,x", "x.chd")):
        refused = imagerctl("convert", "--as", form, sheet, tmp_path / target)
        assert refused.exit_code == 2
        assert "Cannot write" in refused.stderr or "it can be" in refused.stderr
    assert set(tmp_path.iterdir()) == before


def test_many_are_written_in_the_form_asked_for(tmp_path: Path) -> None:
    source = write_iso(tmp_path, np.zeros((40, 2048), np.uint8).tobytes())
    done = imagerctl("convert", source, "--to", "cso", "--as", "2", "--verify")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "disc.cso").read_bytes()[20] == 2


def test_what_track_at_once_loses_is_told_before(tmp_path: Path) -> None:
    disc = memory_disc([audio(40, isrc="DEA371500001"), audio(40)], mcn="4006408130000")
    named = losses(disc, Container.NRG, variant=("tao",))
    assert named is not None
    assert {trait.feature for trait in named} == {Feature.ISRC, Feature.MCN}
    assert losses(disc, Container.NRG) == ()


# -- losses ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(layouts())
def test_a_whole_cd_loses_nothing_in_a_cue_and_only_what_it_has_in_an_iso(layout: Layout) -> None:
    disc = MemorySource(layout, {t.number: np.zeros((999, 2352), np.uint8) for t in layout.tracks})
    assert lost(disc, WHOLE_CD) == ()
    named = {trait.feature for trait in lost(disc, frozenset())}
    assert (Feature.AUDIO in named) == any(not track.is_data for track in layout.tracks)
    assert (Feature.MCN in named) == (layout.mcn is not None)
    assert (Feature.CD_TEXT in named) == (layout.cd_text is not None)
    assert Feature.BLOCKS not in named
    assert Feature.SUBCHANNEL not in named


def test_of_a_track_that_is_lost_nothing_further_is_told() -> None:
    disc = memory_disc(MIXED)
    named = losses(disc, Container.ISO)
    assert named is not None
    assert [trait.sentence for trait in named] == ["audio tracks 2–3"]


def test_the_other_data_tracks_are_lost_and_not_the_chosen_one() -> None:
    disc = memory_disc([data(20), data(20, isrc="DEA371500001"), data(20)])
    named = losses(disc, Container.ISO, track=2)
    assert named is not None
    assert [t.sentence for t in named] == ["data tracks 1, 3", "the ISRC of track 2"]


def test_subchannel_is_lost_whether_the_layout_tells_or_the_sectors() -> None:
    plan = audio(8, control=Control.PRE_EMPHASIS)
    disc = memory_disc([plan])
    assert [t.feature for t in lost(disc, frozenset({Feature.AUDIO}))] == [Feature.FLAGS]
    layout = single_track(8, TrackMode.AUDIO, stored=SectorFormat.RAW_SUB)
    with_sub = MemorySource(layout, {1: np.zeros((8, 2448), np.uint8)})
    assert [t.feature for t in lost(with_sub, frozenset({Feature.AUDIO}))] == [Feature.SUBCHANNEL]


def test_a_dvd_loses_where_its_layer_begins() -> None:
    disc = memory_blocks(40, layers=(20,))
    named = losses(disc, Container.ISO)
    assert named is not None and [trait.feature for trait in named] == [Feature.LAYERS]


def test_the_loss_is_told_before_anything_is_written(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    (tmp_path / "out.iso").write_text("precious")
    result = imagerctl("convert", sheet, tmp_path / "out.iso")
    assert result.exit_code == 2  # nothing was written, and yet it was told
    assert "out.iso cannot hold audio tracks 2–3 of" in result.stderr


def test_strict_refuses_a_loss_and_writes_nothing(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    result = imagerctl("convert", "--strict", sheet, tmp_path / "out.iso")
    assert result.exit_code == 2
    assert "cannot hold audio tracks 2–3" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disc.bin", "disc.cue"]
    assert imagerctl("convert", "--strict", sheet, tmp_path / "out.cue").exit_code == 0


# -- repair ----------------------------------------------------------------------------------

_GAP = range(201, 1701)


def safedisc() -> MemorySource:
    """Sectors strewn over the gap that parity could mend, and one of damage elsewhere."""
    image = placed_iso({"00000001.LT1": (200, 1), "GAME.EXE": (1800, 600)}, 2400)
    user = np.frombuffer(image, np.uint8).reshape(-1, 2048)
    raw = to_raw(user, SectorFormat.USER, TrackMode.MODE1, 0)
    for area in strewn(_GAP, 0.1):
        raw[area.start : area.stop, 500] ^= 0x55
    raw[1900, 700] ^= 0x55
    return MemorySource(single_track(len(user), TrackMode.MODE1), {1: raw})


@pytest.mark.parametrize("target", ["out.iso", "out.cue"])
def test_what_a_protection_made_bad_is_left_and_damage_is_mended(
    tmp_path: Path, target: str
) -> None:
    disc = safedisc()
    bad = sum(len(area) for area in strewn(_GAP, 0.1))
    result = run(convert(disc, tmp_path / target, ConvertOptions(repair=True, verify=True)))
    assert result.repaired.ranges == (range(1900, 1901),)
    assert result.wrong.count == result.intended.count == bad
    assert result.reread is not None and result.reread.same
    with open_image(tmp_path / target) as made:  # type: ignore[attr-defined]
        block = made.read(strewn(_GAP, 0.1)[0].start, 1).data[0]
    stored = disc.raw[1][strewn(_GAP, 0.1)[0].start]
    assert block.tobytes() in stored.tobytes()


@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.MODE2])
def test_mode_2_is_mended_in_either_stored_form(tmp_path: Path, stored: SectorFormat) -> None:
    good = memory_disc([data(40, TrackMode.MODE2, stored=stored)])
    hurt = memory_disc([data(40, TrackMode.MODE2, stored=stored)])
    hurt.raw[1][7, 300] ^= 1
    result = run(convert(hurt, tmp_path / "out.cue", ConvertOptions(repair=True)))
    assert result.repaired.ranges == (range(7, 8),)
    whole = run(convert(good, tmp_path / "good.cue", ConvertOptions()))
    assert whole.ok
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "good.bin").read_bytes()


def test_repair_is_the_default_only_from_one_container_to_another(tmp_path: Path) -> None:
    hurt = memory_disc([data(40)])
    hurt.raw[1][7, 300] ^= 1
    sheet = write_cue(tmp_path, hurt)
    for target, code in (("same.cue", 1), ("other.iso", 0)):
        assert imagerctl("convert", sheet, tmp_path / target).exit_code == code
    assert (tmp_path / "same.bin").read_bytes() == (tmp_path / "disc.bin").read_bytes()


# -- reading back ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["out.iso", "out.cue"])
def test_a_second_data_track_and_unreadable_sectors_read_back_as_written(
    tmp_path: Path, target: str
) -> None:
    disc = memory_disc([audio(20), data(40), data(30)], bad=frozenset({25, 70}))
    wanted = ConvertOptions(verify=True, track=3 if target == "out.iso" else None)
    result = run(convert(disc, tmp_path / target, wanted))
    assert result.reread is not None and result.reread.same
    assert result.unreadable.count == (1 if target == "out.iso" else 2)


def test_a_target_that_is_not_its_source_is_found(tmp_path: Path) -> None:
    disc = memory_disc([data(40)])
    target = tmp_path / "out.iso"
    run(convert(disc, target, ConvertOptions()))
    body = bytearray(target.read_bytes())
    keep = ConvertOptions(keep=True)
    assert run(convert(disc, target, keep)).kept
    for changed in (body[:-2048], body + bytes(2048), body[:5000] + b"x" + body[5001:]):
        target.write_bytes(changed)
        result = imagerctl("convert", "--continue", write_cue(tmp_path, disc), target)
        assert result.exit_code == 2 and "exists already" in result.stderr


# -- sectors of 2048 bytes behind a sheet --------------------------------------------------------


@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
def test_an_iso_keeps_its_sectors_behind_a_sheet_unless_raw_ones_are_asked_for(
    tmp_path: Path, mode: TrackMode
) -> None:
    original = memory_disc([data(60, mode)])
    source = write_cue(tmp_path, memory_disc([data(60, mode, stored=SectorFormat.USER)]), "src")
    if mode is TrackMode.MODE1:
        source = write_iso(tmp_path, (tmp_path / "src.bin").read_bytes(), "src")
    assert imagerctl("convert", "--verify", source, tmp_path / "short.cue").exit_code == 0
    assert (tmp_path / "short.bin").read_bytes() == (tmp_path / "src.bin").read_bytes()
    assert f"{mode.value.upper()}/2048" in (tmp_path / "short.cue").read_text()
    assert imagerctl("convert", "--raw", "--verify", source, tmp_path / "long.cue").exit_code == 0
    assert (tmp_path / "long.bin").stat().st_size == 60 * 2352
    if mode is TrackMode.MODE1:  # right by construction: sync, header, EDC and parity made anew
        assert (tmp_path / "long.bin").read_bytes() == original.raw[1].tobytes()
    assert imagerctl("verify", tmp_path / "long.cue").exit_code == 0
    assert imagerctl("compare", tmp_path / "short.cue", tmp_path / "long.cue").exit_code == 0


def test_unreadable_sectors_of_a_short_sheet_are_where_its_map_says(tmp_path: Path) -> None:
    disc = memory_disc([data(60, stored=SectorFormat.USER)], bad=frozenset({7}))
    run(convert(disc, tmp_path / "x.cue", ConvertOptions(raw=False)))
    told = imagerctl("verify", tmp_path / "x.cue", "--json")
    track = json.loads(told.stdout)["verdict"]["sectors"]["tracks"][0]
    assert track["unreadable"]["ranges"] == [{"first": 7, "last": 7, "count": 1}]


def test_split_and_join_are_each_others_inverse(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    (tmp_path / "s").mkdir()
    split, joined = tmp_path / "s" / "disc.cue", tmp_path / "joined.cue"
    assert imagerctl("convert", "--split", sheet, split).exit_code == 0
    assert len(list((tmp_path / "s").glob("*.bin"))) == 3
    assert imagerctl("convert", "--join", split, joined).exit_code == 0
    assert (tmp_path / "joined.bin").read_bytes() == (tmp_path / "disc.bin").read_bytes()
    assert imagerctl("compare", sheet, joined).exit_code == 0
