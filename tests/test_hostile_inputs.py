# SPDX-License-Identifier: Apache-2.0
"""Files made to hurt: what fuzzing found, and what it would not find in a lifetime.

No test here looks at a clock: what is not bounded takes hours, or more memory than there is.
"""

from __future__ import annotations

import gzip
import os
import plistlib
import struct
import zipfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from backports import zstd

from imagerd.base.errors import BadInput, OperatorError
from imagerd.base.progress import run
from imagerd.formats import open_image
from imagerd.formats.ccd.table import read_table
from imagerd.formats.chd.metadata import Block
from imagerd.formats.packed import blocks, streams
from imagerd.recovery.mapfile import read_mapfile
from imagerd.recovery.report import read_report
from imagerd.toolkit import undo as journals
from imagerd.toolkit.checksums import Outcome, check_files, read_checksum_file
from imagerd.toolkit.dat import opening
from imagerd.toolkit.dat.opening import read_dats
from imagerd.toolkit.redumper.reading import ScramImage
from imagerd.toolkit.undo import Journal
from tests.dats import datafile
from tests.discs_formats import raw_volume
from tests.fuzz import makers_packed as packed
from tests.fuzz import makers_sheets as sheets
from tests.fuzz.makers_beside import dat_entities, journal, redumper
from tests.fuzz.targets import is_sentence, refused
from tests.packed_reading import stored_bytes
from tests.test_formats_chd_hostile import chd

LONG = 300_000
CUE = 'FILE "{}" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'


def is_refused(read: Callable[[Path], object], path: Path, words: str = "") -> None:
    with pytest.raises(OperatorError, match=words) as caught:
        read(path)
    refused(caught.value)


def put(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# -- counts --------------------------------------------------------------------------------------


def test_a_sheet_that_names_a_file_a_thousand_times_is_refused(tmp_path: Path) -> None:
    """Each was opened, and unpacked by threads of its own."""
    put(tmp_path / "x.bin.gz", gzip.compress(raw_volume(20).tobytes()))
    path = put(tmp_path / "x.cue", 'FILE "x.bin" BINARY\n' * 1000 + CUE.format("x.bin"))
    is_refused(open_image, path, "more than 200 files")


def test_a_disc_in_many_packed_files_keeps_none_of_them_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[blocks.BlockStore] = []

    class Seen(blocks.BlockStore):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(streams, "BlockStore", Seen)
    rows = raw_volume(30)
    text = ""
    for number in range(1, 6):
        put(tmp_path / f"{number}.bin.gz", gzip.compress(rows.tobytes()))
        text += CUE.format(f"{number}.bin").replace("TRACK 01", f"TRACK {number:02}")
    with open_image(put(tmp_path / "x.cue", text)) as image:
        assert not any(store._cache or store._pool for store in made)
        found, _ = stored_bytes(image)
        assert sum(bool(store._cache) for store in made) <= 1
        assert found == rows.tobytes() * 5


def test_oddities_without_an_end_are_not_all_told(tmp_path: Path) -> None:
    put(tmp_path / "x.bin", raw_volume(20).tobytes())
    path = put(tmp_path / "x.cue", CUE.format("x.bin") + "    FLAGS" + " {" * 200_000 + "\n")
    with open_image(path) as image:
        assert len(image.warnings) < 1100
        assert "more that is odd" in str(image.warnings[1000])


def test_sentences_stay_sentences_whatever_is_in_a_name(tmp_path: Path) -> None:
    path = put(tmp_path / "x.cue", CUE.format("x" * 100_000))
    is_refused(open_image, path, r"names 'xxx.* … .*beside the sheet\.$")
    put(tmp_path / "x.bin", raw_volume(20).tobytes())
    with open_image(path) as image:
        for warning in image.warnings:
            is_sentence(str(warning))


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\0b"])
def test_names_that_no_file_can_have_are_of_no_file(tmp_path: Path, name: str) -> None:
    header = journals.Header("imagerd undo journal 1", "x", "now", (journals.ChangedFile(name, 9),))
    with ExitStack() as stack, pytest.raises(BadInput, match="no file beside it"):
        journals.Draft(tmp_path / "x.undo", header, stack).commit()
    path = put(tmp_path / "x.md5", f"{'0' * 32}  {name}\n")
    if "\0" in name:
        is_refused(read_checksum_file, path, "leads out")
        return
    (verdict,) = run(check_files(read_checksum_file(path)))
    assert verdict.outcome is Outcome.MISSING


# -- lines that took the square of their length ----------------------------------------------------


def test_long_lines_take_no_longer_than_they_are_long(tmp_path: Path) -> None:
    space = " " * LONG
    found = read_checksum_file(put(tmp_path / "x.sfv", f"a b{space}\na b.bin \t*12345678\n"))
    assert [entry.name for entry in found.entries] == ["a b.bin"]
    assert len(found.oddities) == 1
    is_refused(open_image, put(tmp_path / "x.gdi", f"3\n1 0 4 2352 a{space}x\n"), "no track")
    with pytest.raises(BadInput, match="no entries"):
        read_table(f"[CloneCD]\nVersion=3\n[Disc{space}x]\n")
    hunks = np.zeros((3, 19584), np.uint8)
    path = put(tmp_path / "x.chd", chd(hunks, [Block(b"CHT2", b"A" * LONG)]))
    is_refused(open_image, path, "a track that says")


# -- sizes ---------------------------------------------------------------------------------------

READERS = {
    "x.sfv": read_checksum_file, "x.map": read_mapfile, "x.json": read_report, "x.cue": open_image,
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_what_is_too_large_is_not_read(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, b"TRACK 01 AUDIO\n")
    os.truncate(path, 1 << 40)
    is_refused(READERS[name], path, "too l")


@pytest.mark.parametrize("name", ["x.map", "x.json", "x.cue"])
def test_what_is_no_file_does_not_hold_us_up(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    is_refused(READERS[name], tmp_path / name, "not a regular file")


@pytest.mark.parametrize("suffix", [".toc", ".fulltoc", ".cdtext"])
@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0\0\0", b"\xff" * 100_000])
def test_replies_that_are_none_are_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = redumper(tmp_path)
    put(path.with_suffix(suffix), data)
    is_refused(ScramImage, path, rf"disc\{suffix}")


def test_addresses_that_no_disc_has_are_not_believed(tmp_path: Path) -> None:
    """A TOC may say any 32 bits: a drive's too, whose map of sectors would need as many bytes."""
    path = redumper(tmp_path)
    for name in (".fulltoc", ".cdtext"):
        path.with_suffix(name).unlink()
    lines = ((1, -600_000_000), (2, 0), (3, 1 << 30), (0xAA, (1 << 31) - 1))
    body = b"".join(struct.pack(">BBBBi", 0, 0x10, number, 0, lba) for number, lba in lines)
    put(path.with_suffix(".toc"), struct.pack(">HBB", len(body) + 2, 1, 3) + body)
    with closing(ScramImage(path)) as image:
        assert [(track.number, track.start, track.end) for track in image.layout.tracks] == [
            (2, 0, 1)
        ]
        said = " ".join(map(str, image.warnings))
        assert "track 1 at LBA -600000000" in said and "no usable lead-out" in said


def test_a_track_before_its_file_is_refused(tmp_path: Path) -> None:
    """There is nothing to read, and a repair would have written before the file."""
    path = sheets.ccd_bare(tmp_path)
    text = path.read_text()
    at = text.index("Point=0x03")
    line = text.index("PLBA=", at)
    end = text.index("\n", line)
    is_refused(open_image, put(path, text[:line] + "PLBA=11290" + text[end:]), "before its file")


# -- bombs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_bomb_is_no_image(tmp_path: Path, suffix: str) -> None:
    zeros = bytes(1 << 24)
    one = gzip.compress(zeros) if suffix == ".gz" else zstd.compress(zeros)
    path = put(tmp_path / f"x.iso{suffix}", one * 65)
    is_refused(open_image, path, "more than any disc")


def zipped(folder: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.dat", data)
    return folder / "x.zip"


def read_all_dats(path: Path) -> None:
    for stream in read_dats(path):
        list(stream)


def test_an_archive_of_dats_is_bounded_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LARGEST", 1 << 20)
    data = datafile({"A": {"a.bin": b"x"}}).encode().ljust(600_000)
    is_refused(read_all_dats, zipped(tmp_path, a=data, b=data), "more than 1 MiB")
    read_all_dats(zipped(tmp_path, a=data))


def test_a_member_that_says_it_is_small_ends_there(tmp_path: Path) -> None:
    """ "Decompression bombs stop at the declared size"."""
    path = zipped(tmp_path, a=datafile({"A": {"a.bin": b"x"}}).encode().ljust(1 << 20))
    body = bytearray(path.read_bytes())
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = struct.pack("<I", 100)
    is_refused(read_all_dats, put(path, bytes(body)), "cannot be unpacked|no DAT in XML")


def test_names_in_an_archive_may_be_of_any_bytes(tmp_path: Path) -> None:
    path = zipped(tmp_path, a=b"<datafile/>")
    body = path.read_bytes().replace(b"a.dat", b"\xeb.dat", 1)
    body = body[:6] + b"\0\x08" + body[8:]  # it says that its name is UTF-8
    is_refused(read_all_dats, put(path, body), "not a zip archive")


def test_a_property_list_gives_bytes_or_nothing(tmp_path: Path) -> None:
    """`bytes` of a number is so many zeros."""
    plain = packed.dmg(tmp_path).read_bytes()
    place, _ = struct.unpack_from(">QQ", plain, len(plain) - 512 + 216)
    for rows in ([{"Data": 1 << 40}], [{"Data": "x"}], [{"Data": b"x"}] * 60_000):
        listed = plistlib.dumps({"resource-fork": {"blkx": rows}})
        trailer = bytearray(plain[-512:])
        struct.pack_into(">QQ", trailer, 216, place, len(listed))
        path = put(tmp_path / "y.dmg", plain[:place] + listed + bytes(trailer))
        is_refused(open_image, path, "damaged|promises|list")


# -- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [b'{"x":' * 100_000, b"[" * 100_000])
def test_nesting_without_an_end_is_refused(tmp_path: Path, depth: bytes) -> None:
    is_refused(read_report, put(tmp_path / "x.json", depth), "not a report")
    is_refused(Journal, put(tmp_path / "x.undo", depth), "no undo journal")
    made = journal(tmp_path)
    first, rest = made.read_bytes().split(b"\n", 1)
    put(made, first[:-1] + b',"x":' + depth + b"\n" + rest)
    is_refused(Journal, made, "no undo journal")


def test_what_is_packed_again_and_again_is_refused(tmp_path: Path) -> None:
    data = raw_volume(20).tobytes()
    for _ in range(4):
        data = gzip.compress(data)
    is_refused(open_image, put(tmp_path / "x.bin.gz", data), "more than 3 times")


def test_xml_that_grows_is_refused(tmp_path: Path) -> None:
    is_refused(read_all_dats, dat_entities(tmp_path), "XML entity")


# -- ways out of the folder ------------------------------------------------------------------------


def with_name(folder: Path, suffix: str, name: str) -> Path:
    """A table whose data file is called `name`."""
    if suffix == ".mds":
        path = sheets.mds(folder)
        body = path.read_bytes()
        at = body.rindex(b"*.mdf\0")
        body = body[:at] + name.encode() + b"\0"
    else:
        path = {".toc": sheets.toc, ".gdi": sheets.gdi, ".cue": sheets.cue}[suffix](folder)
        old = {".toc": b"disc.bin", ".gdi": b"disc-track01.bin", ".cue": b"disc.bin"}[suffix]
        body = path.read_bytes().replace(old, name.encode())
    for file in (*folder.glob("*.bin"), *folder.glob("*.mdf")):
        file.rename(folder.parent / "out.bin")
    return put(path, body)


@pytest.mark.parametrize("suffix", [".cue", ".toc", ".gdi", ".mds"])
@pytest.mark.parametrize(
    "name",
    ["../out.bin", "{0}/out.bin", "..\\out.bin", "C:\\..\\out.bin", "link.bin", "a/../../out.bin"],
)
def test_no_table_leads_out_of_its_folder(tmp_path: Path, suffix: str, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = with_name(folder, suffix, name.format(tmp_path))
    (folder / "link.bin").symlink_to("../out.bin")
    (folder / "a").mkdir()
    is_refused(open_image, path, "outside its folder|not there|beside it")


LINKED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "ccd": (sheets.ccd, "disc.img"), "ccd sub": (sheets.ccd, "disc.sub"),
    "mds": (sheets.mds, "disc.mdf"), "cdt": (sheets.cue, "disc.cdt"),
    "b6t": (sheets.b6t, "disc.b6i"),
    "isz": (packed.isz_parts, "x.i01"), "daa": (packed.daa_parts, "x.d00"),
    "split": (packed.split, "x.iso.002"), "chd": (packed.chd_4, "parent.chd"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LINKED)
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, kind: str) -> None:
    maker, name = LINKED[kind]
    folder = tmp_path / "in"
    folder.mkdir()
    path = maker(folder)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    try:
        with open_image(path) as image:  # type: ignore[attr-defined]
            assert all(file.resolve().is_relative_to(folder) for file in image.files)
    except OperatorError as error:
        refused(error)
