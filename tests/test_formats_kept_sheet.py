# SPDX-License-Identifier: Apache-2.0
"""cue → X → cue: the very sheet and the very files, whatever X keeps them in."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.formats import WriteOptions, WrittenImage, open_image, write_image
from imagerd.formats.keptsheet import LARGEST, KeptSheet, Run, from_lines, pack, text_lines, unpack
from imagerd.formats.origin import Origin, origin_of
from imagerd.toolkit.convert import ConvertOptions, convert
from imagerd.toolkit.maps import account_of_map
from tests.discs_formats import MemorySource as Pattern
from tests.discs_formats import volume_sectors
from tests.judges import ask
from tests.sources import TrackPlan, audio, data, memory_disc
from tests.strategies_formats import layouts
from tests.test_formats_judges import gd_rom
from tests.test_formats_judges import mixed as with_texts

CDS = ("chd", "toc", "ccd", "nrg", "mds", "bin.ecm")


@dataclass(frozen=True)
class Described:
    """A disc, and what becomes of the sheet that is written of it. `several`: a file a track."""

    disc: Callable[[], SectorSource]
    sheet: Callable[[str], bytes] = str.encode
    several: bool = False
    raw: bool = True


def mixed() -> SectorSource:
    return memory_disc(
        [data(60), audio(40, pregap=10, isrc="QZIMG2600001", indexes=(15,)), audio(30, 7)],
        mcn="4006408130000",
    )


def with_gaps() -> SectorSource:
    return memory_disc([data(60), audio(40, pregap=10, pregap_virtual=10), audio(30)])


def odd(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("TRACK", "track").split("\n")
    lines.insert(1, "REM  an odd\tremark  ")
    lines.insert(0, "; a comment of имя и фамилия")
    return "\n".join([*lines, "REM the end"]).encode("cp1251")


def wide(text: str) -> bytes:
    return ("REM wide\r\n" + text).encode("utf-16")


def bom(text: str) -> bytes:
    return b"\xef\xbb\xbf" + text.replace("\r\n", "\r\n\r\n").encode()


def other_names(text: str) -> bytes:
    return text.replace("disc (Track ", "Track 0").replace(").bin", ".bin").encode()


SHEETS = {
    "one file": Described(mixed),
    "CD-Text in a file": Described(with_texts, several=True),
    "a file for each track": Described(mixed, several=True),
    "Track 01.bin": Described(mixed, other_names, several=True),
    "odd": Described(mixed, odd, several=True),
    "UTF-16": Described(mixed, wide),
    "byte order mark": Described(mixed, bom),
    "gaps that no file holds": Described(with_gaps),
    "gaps, a file for each track": Described(with_gaps, several=True),
    "2048 bytes": Described(lambda: memory_disc([data(60, stored=SectorFormat.USER)]), raw=False),
    "mode 2": Described(lambda: memory_disc([TrackPlan(TrackMode.MODE2, 50, form2=3), audio(30)])),
}


def describe(folder: Path, what: Described) -> Path:
    """The sheet and its files in `folder`."""
    folder.mkdir()
    path = folder / "disc.cue"
    write(what.disc(), path, split_tracks=what.several, raw=what.raw)
    text = path.read_bytes().decode()
    sheet = what.sheet(text)
    if what.sheet is other_names:
        for file in folder.glob("disc (Track *).bin"):
            file.rename(folder / file.name.replace("disc (Track ", "Track 0").replace(")", ""))
    path.write_bytes(sheet)
    return path


def write(source: SectorSource, target: Path, **options: object) -> WrittenImage:
    target.parent.mkdir(exist_ok=True)
    wanted = {"sync": False, "hash": False, "raw": False, **options}
    return run(write_image(source, target, WriteOptions(**wanted)))  # type: ignore[arg-type]


def through(source: Path, target: Path, **options: object) -> WrittenImage:
    with closing(open_image(source)) as image:
        return write(image, target, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def to_open(target: Path) -> Path:
    return target.with_name("x.cue") if target.suffix == ".ecm" else target


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("container", CDS)
def test_the_way_back_gives_the_very_sheet_and_files(
    tmp_path: Path, container: str, sheet: str
) -> None:
    if container == "bin.ecm" and sheet == "2048 bytes":
        return  # ECM is of raw sectors
    source = describe(tmp_path / "a", SHEETS[sheet])
    target = tmp_path / "b" / (f"disc.{container}" if container == "bin.ecm" else f"x.{container}")
    through(source, target)
    opened = target.with_name("disc.cue") if container == "bin.ecm" else target
    result = through(opened, tmp_path / "c" / "disc.cue")
    assert files(tmp_path / "c") == files(tmp_path / "a"), result.left_out
    assert not [what for what in result.left_out if "subchannel" not in what]


@pytest.mark.parametrize("container", ["chd", "nrg", "mds", "ccd"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(most_sessions=2), split=st.booleans())
def test_any_layout_comes_back(container: str, layout: Layout, split: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(Pattern(layout), folder / "a" / "disc.cue", split_tracks=split)
        try:
            through(folder / "a" / "disc.cue", folder / "b" / f"x.{container}")
        except BadInput:
            return  # refused in a sentence: it does not begin at LBA 0, sessions are too near
        through(folder / "b" / f"x.{container}", folder / "c" / "disc.cue")
        assert files(folder / "c") == files(folder / "a")


@pytest.mark.parametrize("container", ["iso", "cso", "zso"])
@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.USER])
def test_an_iso_gives_the_raw_sectors_again_that_it_can_prove(
    tmp_path: Path, container: str, stored: SectorFormat
) -> None:
    what = Described(lambda: memory_disc([data(60, stored=stored)]), odd, raw=False)
    source = describe(tmp_path / "a", what)
    target = tmp_path / "b" / f"x.{container}"
    through(source, target)
    assert (tmp_path / "b" / f"x.{container}.sheet").exists()
    through(target, tmp_path / "c" / "disc.cue")
    assert files(tmp_path / "c") == files(tmp_path / "a")


def test_raw_sectors_that_were_not_as_they_would_be_made_are_not_made_up(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(lambda: memory_disc([data(60)])))
    sectors = bytearray((tmp_path / "a" / "disc.bin").read_bytes())
    sectors[2352 * 7 + 2100] ^= 1  # parity; the EDC stays right
    (tmp_path / "a" / "disc.bin").write_bytes(sectors)
    through(source, tmp_path / "b" / "x.iso")
    result = through(tmp_path / "b" / "x.iso", tmp_path / "c" / "disc.cue")
    assert "MODE1/2048" in (tmp_path / "c" / "disc.cue").read_text()
    assert any("cue sheet" in sentence for sentence in result.left_out)


def test_a_gd_rom_comes_back_through_a_gdi(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(gd_rom, odd, several=True))
    through(source, tmp_path / "b" / "x.gdi")
    assert (tmp_path / "b" / "x.gdi.sheet").exists()
    through(tmp_path / "b" / "x.gdi", tmp_path / "c" / "disc.cue")
    assert files(tmp_path / "c") == files(tmp_path / "a")


def test_the_sheet_goes_through_several_containers(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", SHEETS["odd"])
    for number, container in enumerate(("nrg", "mds", "chd", "ccd", "toc")):
        target = tmp_path / str(number) / f"x.{container}"
        through(source, target)
        source = target
    through(source, tmp_path / "z" / "disc.cue")
    assert files(tmp_path / "z") == files(tmp_path / "a")


@pytest.mark.parametrize("kind", ["MOTOROLA", "BINARY"])
def test_the_order_of_bytes_comes_back(tmp_path: Path, kind: str) -> None:
    source = describe(tmp_path / "a", Described(lambda: memory_disc([audio(40)])))
    source.write_text(source.read_text().replace("BINARY", kind))
    through(source, tmp_path / "b" / "x.nrg")
    through(tmp_path / "b" / "x.nrg", tmp_path / "c" / "disc.cue")
    assert files(tmp_path / "c") == files(tmp_path / "a")


@pytest.mark.parametrize("split", [True, False])
def test_what_is_asked_for_counts_more_than_the_sheet(tmp_path: Path, split: bool) -> None:
    source = describe(tmp_path / "a", SHEETS["Track 01.bin"])
    through(source, tmp_path / "b" / "x.nrg")
    result = through(tmp_path / "b" / "x.nrg", tmp_path / "c" / "y.cue", split_tracks=split)
    names = ["y (Track 1).bin", "y (Track 2).bin", "y (Track 3).bin"] if split else ["y.bin"]
    assert [file.path.name for file in result.files[1:]] == names


def test_names_that_are_taken_are_replaced_by_our_own_and_nothing_is_overwritten(
    tmp_path: Path,
) -> None:
    source = describe(tmp_path / "a", SHEETS["Track 01.bin"])
    through(source, tmp_path / "b" / "x.nrg")
    mine = tmp_path / "c" / "Track 02.bin"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    for overwrite in (False, True):
        through(tmp_path / "b" / "x.nrg", tmp_path / "c" / "y.cue", overwrite=overwrite)
        assert mine.read_bytes() == b"mine"
        made = (tmp_path / "c" / "y.cue").read_bytes()
        assert made.count(b'FILE "y (Track ') == 3
    with (
        closing(open_image(tmp_path / "c" / "y.cue")) as one,
        closing(open_image(source)) as other,
    ):
        assert one.layout == other.layout


def test_overwriting_replaces_the_files_of_the_sheet_that_is_replaced(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", SHEETS["Track 01.bin"])
    through(source, tmp_path / "b" / "x.nrg")
    for overwrite in (False, True):
        through(tmp_path / "b" / "x.nrg", tmp_path / "c" / "disc.cue", overwrite=overwrite)
        assert files(tmp_path / "c") == files(tmp_path / "a")


@pytest.mark.parametrize(
    "name",
    ["../up.bin", "/tmp/up.bin", "C:\\up.bin", ".profile", "run.sh", "..", "x\x07.bin", "a/b.bin"],
)
def test_a_kept_sheet_names_nothing_outside_and_nothing_but_data(tmp_path: Path, name: str) -> None:
    disc = memory_disc([data(20)])
    sheet = f'FILE "{name}" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'.encode()
    kept = KeptSheet(sheet, ((Run(0, 20, "RAW"),),))
    folder = tmp_path / "b"
    write(disc, folder / "x.nrg", origin=Origin(kept))
    through(folder / "x.nrg", tmp_path / "c" / "x.cue")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert names in ({"x.cue", "x.bin"}, {"x.cue", "up.bin"}, {"x.cue", "b.bin"})
    with closing(open_image(tmp_path / "c" / "x.cue")) as image:
        assert image.layout.end == 20


@pytest.mark.parametrize(
    "lie",
    [
        ("INDEX 01 00:00:70", "INDEX 01 00:00:71"),
        ("INDEX 02", "INDEX 03"),
        ("ISRC QZIMG2600001", "ISRC QZIMG2600002"),
        ("CATALOG 4", "CATALOG 5"),
    ],
)
@pytest.mark.parametrize("container", ["nrg", "toc", "ccd", "chd"])
def test_a_kept_sheet_that_is_not_true_is_not_believed(
    tmp_path: Path, container: str, lie: tuple[str, str]
) -> None:
    source = describe(tmp_path / "a", Described(mixed))
    with closing(open_image(source)) as image:
        kept = origin_of(image).sheet
        assert kept is not None
        wrong = kept.sheet.replace(lie[0].encode(), lie[1].encode())
        target = tmp_path / "b" / f"x.{container}"
        write(image, target, origin=Origin(KeptSheet(wrong, kept.files)))
        result = through(target, tmp_path / "c" / "disc.cue")
        assert lie[0] in (tmp_path / "c" / "disc.cue").read_text()
        assert any("cue sheet" in sentence for sentence in result.left_out)
        with closing(open_image(tmp_path / "c" / "disc.cue")) as again:
            assert again.layout == image.layout


def test_sectors_that_a_sheet_hides_are_not_lost(tmp_path: Path) -> None:
    """The sheet says that a gap is in no file, and the disc has something there."""
    source = describe(tmp_path / "a", Described(with_gaps))
    with closing(open_image(source)) as image:
        kept = origin_of(image).sheet
    loud = memory_disc([data(60), audio(40, pregap=10), audio(30)])
    loud.raw[2][4, 100] = 7
    write(loud, tmp_path / "b" / "x.nrg", origin=Origin(kept))
    through(tmp_path / "b" / "x.nrg", tmp_path / "c" / "disc.cue")
    assert (tmp_path / "c" / "disc.bin").stat().st_size == loud.layout.end * 2352


def test_a_sheet_of_wave_files_gives_its_remarks_only_and_that_is_said(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(lambda: memory_disc([audio(40)])))
    sectors = (tmp_path / "a" / "disc.bin").read_bytes()
    head = (
        b"RIFF"
        + (36 + len(sectors)).to_bytes(4, "little")
        + b"WAVEfmt "
        + bytes.fromhex("10000000 0100 0200 44ac0000 10b10200 0400 1000")
    )
    size = len(sectors).to_bytes(4, "little")
    (tmp_path / "a" / "disc.wav").write_bytes(head + b"data" + size + sectors)
    text = source.read_text().replace("disc.bin", "disc.wav").replace("BINARY", "WAVE")
    source.write_text("REM kept\n" + text)
    through(source, tmp_path / "b" / "x.chd")
    result = through(tmp_path / "b" / "x.chd", tmp_path / "c" / "disc.cue")
    assert "REM kept" in (tmp_path / "c" / "disc.cue").read_text()
    assert (tmp_path / "c" / "disc.bin").read_bytes() == sectors
    assert any("cue sheet" in sentence for sentence in result.left_out)


def test_a_sheet_that_is_too_long_is_not_kept_and_that_is_said(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(lambda: memory_disc([data(20)])))
    with source.open("ab") as file:
        file.write(b"REM " + b"x" * LARGEST)
    for container in ("nrg", "toc", "chd"):
        result = through(source, tmp_path / container / f"x.{container}")
        assert any("too many" in sentence for sentence in result.left_out)
        with closing(open_image(tmp_path / container / f"x.{container}")) as image:
            assert origin_of(image).sheet is None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sheet=st.binary(max_size=120) | st.just(b'FILE "x.bin" BINARY\n TRACK 1 AUDIO\n'),
    runs=st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 1 << 27), st.sampled_from(list(SectorFormat))),
        max_size=3,
    ),
    junk=st.binary(max_size=40),
)
def test_any_kept_sheet_does_no_harm(
    sheet: bytes, runs: list[tuple[int, int, SectorFormat]], junk: bytes
) -> None:
    disc = memory_disc([data(10), audio(5)])
    kept = KeptSheet(sheet, tuple((Run(lba, count, form.name),) for lba, count, form in runs))
    assert unpack(pack(kept)) == kept
    assert from_lines(text_lines(kept)) == kept
    assert unpack(junk) is None
    assert from_lines([junk.hex()]) is None
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "x.nrg"
        write(disc, target, origin=Origin(kept))
        through(target, Path(name) / "b" / "y.cue")
        with closing(open_image(Path(name) / "b" / "y.cue")) as image:
            assert [t.index1 for t in image.layout.tracks] == [0, 10]
            assert image.layout.end == 15


def test_a_sidecar_of_another_image_is_never_taken_over(tmp_path: Path) -> None:
    other = tmp_path / "x.iso.sheet"
    other.write_bytes(b"{}")
    disc = memory_disc([data(20)])
    for overwrite in (False, True):
        with pytest.raises(AlreadyThere, match=r"x\.iso\.sheet"):
            write(disc, tmp_path / "x.iso", overwrite=overwrite)
    assert other.read_bytes() == b"{}"


def test_a_sidecar_that_an_image_left_behind_serves_the_same_image_again(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(lambda: memory_disc([data(20)])))
    target = tmp_path / "b" / "x.iso"
    through(source, target)
    before = target.with_name("x.iso.sheet").read_bytes()
    target.unlink()
    through(source, target)
    assert target.with_name("x.iso.sheet").read_bytes() == before


class Failing:
    """An image one of whose sectors could not be read."""

    def __init__(self, image: SectorSource, lba: int) -> None:
        self.image, self.lba, self.layout = image, lba, image.layout

    def read(self, lba: int, count: int) -> Sectors:
        block = self.image.read(lba, count)
        if lba <= self.lba < block.end:
            block.states[self.lba - lba] = SectorState.FAILED
        return block

    def close(self) -> None:
        self.image.close()


def test_the_map_of_a_restored_image_is_of_its_own_files(tmp_path: Path) -> None:
    """Behind a gap that is in the .nrg and in no file of the sheet, too."""
    source = describe(tmp_path / "a", SHEETS["gaps, a file for each track"])
    through(source, tmp_path / "b" / "x.nrg")
    (tmp_path / "c").mkdir()
    with closing(open_image(tmp_path / "b" / "x.nrg")) as image:
        options = ConvertOptions(raw=False, origin=origin_of(image))
        result = run(convert(Failing(image, 90), tmp_path / "c" / "disc.cue", options))
    assert result.map is not None
    with closing(open_image(tmp_path / "c" / "disc.cue")) as image:
        assert account_of_map(image, result.map).unclear.ranges == (range(90, 91),)
        assert image.layout.tracks[1].pregap_virtual == 10


# -- the verb --------------------------------------------------------------------------------------


def invoke(*words: str | Path) -> dict[str, object]:
    result = CliRunner().invoke(cli, ["convert", "--json", *map(str, words)])
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return told


def test_the_verb_brings_all_back_verifies_it_and_goes_on(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", SHEETS["Track 01.bin"])
    for container in CDS:
        into = tmp_path / container
        suffix = container.rpartition(".")[2]
        invoke(source, "--to", suffix, "--into", into, "--verify")
        made = into / ("disc.cue" if suffix == "ecm" else f"disc.{suffix}")
        back = tmp_path / f"{container} back"
        invoke(made, "--to", "cue", "--into", back, "--verify")
        assert files(back) == files(tmp_path / "a")
        again = invoke(made, "--to", "cue", "--into", back, "--continue")
        assert again["kept"] == 1
        again = invoke(source, "--to", suffix, "--into", into, "--continue")
        assert again["kept"] == 1
        assert files(back) == files(tmp_path / "a")


# -- side by side ----------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["cue", *CDS])
@pytest.mark.parametrize("first", ["cue", *CDS])
def test_two_containers_of_one_name_live_in_one_folder(
    tmp_path: Path, first: str, second: str
) -> None:
    disc = mixed()
    one = tmp_path / f"x.{first}"
    write(disc, one)
    before = files(tmp_path)
    target = tmp_path / f"x.{second}"
    for overwrite in (False, True):
        means = {"cue": ("cue", "bin.ecm"), "toc": ("bin.ecm",), "bin.ecm": ("cue",)}
        refused = first == second or second in means.get(first, ())
        expected = pytest.raises((BadInput, AlreadyThere), match="another")
        with expected if refused else nullcontext():
            through(to_open(one), target, overwrite=overwrite)
        now = files(tmp_path)
        assert {name: now[name] for name in before} == before
    if not refused:
        with closing(open_image(to_open(target))) as image:
            assert [t.index1 for t in image.layout.tracks] == [0, 70, 107]
            assert (image.read(80, 1).data[:, :2352] == disc.read(80, 1).data[:, :2352]).all()


def test_a_file_that_is_read_is_never_the_target(tmp_path: Path) -> None:
    disc = memory_disc([data(40)])
    write(disc, tmp_path / "x.cue")
    (tmp_path / "x.cue").unlink()
    before = (tmp_path / "x.bin").read_bytes()
    through(tmp_path / "x.bin", tmp_path / "x.cue")
    assert 'FILE "x.cue.bin" BINARY' in (tmp_path / "x.cue").read_text()
    (tmp_path / "x.bin").rename(tmp_path / "x.img")
    for overwrite in (False, True):
        with pytest.raises(BadInput, match=r"x\.img .* is itself what is read"):
            through(tmp_path / "x.img", tmp_path / "x.ccd", overwrite=overwrite)
        with pytest.raises(BadInput, match=r"x\.cue .* is itself what is read"):
            through(tmp_path / "x.cue", tmp_path / "x.cue", overwrite=overwrite)
    assert (tmp_path / "x.img").read_bytes() == (tmp_path / "x.cue.bin").read_bytes() == before


# -- what others make of it ------------------------------------------------------------------------


def test_others_pass_over_what_is_kept(tmp_path: Path) -> None:
    source = describe(tmp_path / "a", Described(with_texts, odd, several=True))
    folder = tmp_path / "b"
    for container in ("toc", "ccd", "nrg", "mds", "chd"):
        through(source, folder / f"x.{container}")
    assert "TRACK  3" in ask("cdrdao", "show-toc", folder / "x.toc", cwd=folder)
    ask("toc2cue", folder / "x.toc", folder / "toc.cue")
    told = ask("cd-info", "--no-device-info", "-N", "x.nrg", cwd=folder)
    assert re.findall(r"^ *(\d+): \d\d:", told, re.MULTILINE) == ["1", "2", "3", "170"]
    ask("iat", "x.nrg", "iat.iso", cwd=folder)
    assert (folder / "iat.iso").read_bytes().startswith(volume_sectors(500).tobytes())
    ask("ccd2iso", folder / "x.img", folder / "ccd.iso", ok=range(256))  # stops at audio
    assert (folder / "ccd.iso").read_bytes().startswith(volume_sectors(500).tobytes())
    ask("chdman", "verify", "-i", folder / "x.chd")
    ask("chdman", "copy", "-i", folder / "x.chd", "-o", folder / "copy.chd", "-c", "none")
    through(folder / "copy.chd", tmp_path / "c" / "disc.cue")
    assert files(tmp_path / "c") == files(tmp_path / "a")
