# SPDX-License-Identifier: Apache-2.0
"""The file table says what other people's tools say, and whatever the disc holds, it ends."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.gathering import Entry, Kind, Limits
from imagerd.filesystems.volume import volume_id
from tests.iso9660 import iso_image
from tests.judges import ask
from tests.volumes import Volume, made, tree

FILES = {
    "README.TXT": b"read me\n",
    "EMPTY": b"",
    "GAME/LEVELS/ONE.DAT": bytes(70_000),
    "GAME/LEVELS/TWO.DAT": b"2" * 2048,
    "GAME/LEVELS/DEEP/A/B/C/LAST.BIN": b"3" * 2049,
    "GAME/A long name with spaces.data": b"4" * 5000,
    **{f"MANY/FILE{number:04}.DAT": b"x" * number for number in range(300)},
}
LISTING = re.compile(r"^(.)\S+(?:\s+\d+){3}\s+(\d+) \S+\s+\S+\s+\S+ \[ *(\d+) \S+\] +(.*?) *$")


def listed(image: Path, *options: str) -> set[tuple[str, int, int]]:
    """Path, first LBA and size of every file, as isoinfo lists them."""
    found, folder = set(), ""
    for line in ask("isoinfo", *options, "-l", "-i", image).splitlines():
        if line.startswith("Directory listing of /"):
            folder = line.removeprefix("Directory listing of /")
        elif (match := LISTING.match(line)) and match[1] != "d":
            name = match[4].rpartition(";")[0] or match[4]
            found.add((folder + name.removesuffix("."), int(match[3]), int(match[2])))
    return found


def told(table: FileTable) -> set[tuple[str, int, int]]:
    return {(f.path, f.extents[0].start if f.extents else 0, f.size) for f in table.files}


def without_places_of_empty(files: set[tuple[str, int, int]]) -> set[tuple[str, int, int]]:
    return {(path, lba if size else 0, size) for path, lba, size in files}


@pytest.mark.parametrize("tool", ["genisoimage", "xorriso"])
@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (("-iso-level", "1"), ()),
        (("-iso-level", "3", "-D"), ()),
        (("-J", "-joliet-long"), ("-J",)),
        (("-J", "-R"), ("-J",)),
    ],
)
def test_all_files_lie_where_isoinfo_says(
    tmp_path: Path, tool: str, options: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    image = tmp_path / "image.iso"
    data = made(tool, tree(tmp_path / "tree", FILES), image, *options)
    table = FileTable.of(Volume(data))
    assert table.problems == ()
    assert table.complete
    assert told(table) == without_places_of_empty(listed(image, *asked))
    assert len(table.files) == len(FILES)
    if asked:
        assert {file.path for file in table.files} == set(FILES)


def test_joliet_names_keep_their_letters(tmp_path: Path) -> None:
    names = {"Grüße aus Köln.txt": b"1", "日本語.txt": b"2"}
    options = ("-J", "-input-charset", "utf-8")
    data = made("genisoimage", tree(tmp_path / "tree", names), tmp_path / "i.iso", *options)
    assert {file.path for file in FileTable.of(Volume(data)).files} == set(names)


def test_what_joliet_hides_is_named_by_the_primary_tree(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", {"both.txt": b"1", "hidden.txt": b"2"})
    options = ("-J", "-hide-joliet", "hidden.txt")
    table = FileTable.of(Volume(made("genisoimage", folder, tmp_path / "i.iso", *options)))
    assert {file.path for file in table.files} == {"both.txt", "HIDDEN.TXT"}


def test_every_sector_of_a_volume_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", FILES)
    data = made("genisoimage", folder, tmp_path / "i.iso", "-J", "-no-pad")
    table = FileTable.of(Volume(data))
    bare = [lba for lba in range(len(data) // 2048) if not table.hit(range(lba, lba + 1))]
    # Between the path tables lie padding blocks of zeros.
    told_in = [lba for lba in bare if any(data[lba * 2048 : (lba + 1) * 2048])]
    assert not told_in
    assert len(bare) < 6
    assert table.hit(range(3, 4)) == ("system area (ISO 9660)",)
    assert table.hit(range(16, 18)) == (
        "primary volume descriptor (ISO 9660)",
        "supplementary volume descriptor (Joliet)",
    )
    one = table.find("game/levels/one.dat")
    assert one is not None
    assert one.extents[0].stop - one.extents[0].start == 35
    assert table.hit(range(one.extents[0].stop - 1, one.extents[0].stop)) == (one.path,)
    for file in table.files:
        for extent in file.extents:
            content = data[extent.start * 2048 : extent.start * 2048 + file.size]
            assert content == FILES[file.path]


def test_a_boot_catalogue_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", {"BOOT.IMG": bytes(2048)})
    options = ("-b", "BOOT.IMG", "-no-emul-boot", "-c", "BOOT.CAT")
    table = FileTable.of(Volume(made("genisoimage", folder, tmp_path / "i.iso", *options)))
    assert table.hit(range(17, 18)) == ("boot record (ISO 9660)",)
    catalogue = table.find("BOOT.CAT")
    assert catalogue is not None
    assert "boot catalogue (El Torito)" in table.hit(catalogue.extents[0])


@pytest.mark.parametrize("base", [0, 11_702])
def test_a_later_session_is_read_whatever_its_addresses_count_from(
    tmp_path: Path, base: int
) -> None:
    """The second session should count from LBA 0 of the disc; some count from its own start."""
    start = 11_702
    first = made("genisoimage", tree(tmp_path / "1", {"OLD.TXT": b"1", "KEPT.TXT": b"0"}),
                 tmp_path / "1.iso", "-no-pad")  # fmt: skip
    (tmp_path / "1.iso").write_bytes(first)
    folder = tree(tmp_path / "2", {"NEW.TXT": b"2", "OLD.TXT": b"22"})
    if base:
        second = made("genisoimage", folder, tmp_path / "2.iso", "-no-pad")
    else:
        options = ("-C", f"0,{start}", "-M", str(tmp_path / "1.iso"), "-no-pad")
        second = made("genisoimage", folder, tmp_path / "2.iso", *options)
    ends = (len(first) // 2048, start + len(second) // 2048)
    tracks = tuple(
        Track(number, number, TrackMode.MODE1, (Index(1, at),), end, SectorFormat.USER,
              Control.DATA)
        for number, at, end in ((1, 0, ends[0]), (2, start, ends[1]))
    )  # fmt: skip
    layout = Layout(Medium.CD, tuple(Session(t.number, (t,), t.end) for t in tracks))
    image = first.ljust(start * 2048, b"\xee") + second
    table = FileTable.of(Volume(image, layout=layout))
    assert table.problems == ()
    new, kept = table.find("NEW.TXT"), table.find("KEPT.TXT")
    assert new is not None and kept is not None
    assert image[new.extents[0].start * 2048 :][:1] == b"2"
    assert image[kept.extents[0].start * 2048 :][:1] == b"0"
    old = [file for file in table.files if file.path == "OLD.TXT"]
    assert [(file.session, file.size) for file in old] == [(2, 2), (1, 1)]
    assert table.hit(old[1].extents[0]) == ("OLD.TXT, session 1",)
    assert len([file for file in table.files if file.path == "KEPT.TXT"]) == 1


# -- damage ------------------------------------------------------------------------------------


def test_directories_behind_an_unreadable_one_are_found_by_the_path_table(tmp_path: Path) -> None:
    image = tmp_path / "i.iso"
    data = made("genisoimage", tree(tmp_path / "tree", FILES), image, "-iso-level", "3", "-D")
    whole = FileTable.of(Volume(data))
    places = {entry.path: entry.extents[0].start for entry in whole.entries
              if entry.kind is Kind.DIRECTORY}  # fmt: skip
    table = FileTable.of(Volume(data, [places["/"], places["GAME/LEVELS/"]]))
    assert not table.complete
    lost = told(whole) - told(table)
    assert {path.rpartition("/")[0] for path, _, _ in lost} == {"", "GAME/LEVELS"}
    assert table.find("GAME/LEVELS/DEEP/A/B/C/LAST.BIN") is not None
    assert any(f"LBA {places['/']}" in problem for problem in table.problems)
    assert any("GAME/ is named by the path table only" in problem for problem in table.problems)


def test_an_unreadable_joliet_tree_leaves_the_names_of_the_primary_one(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", {"a long name.txt": b"1", "sub/another.txt": b"2"})
    data = made("genisoimage", folder, tmp_path / "i.iso", "-J")
    whole = FileTable.of(Volume(data))
    joliet = [entry.extents[0].start for entry in whole.entries
              if entry.kind is Kind.DIRECTORY and entry.system == "Joliet"]  # fmt: skip
    table = FileTable.of(Volume(data, joliet))
    assert {file.path for file in table.files} == {"A_LONG_N.TXT", "SUB/ANOTHER.TXT"}


def test_numbers_whose_byte_orders_differ_are_told_and_the_possible_one_is_taken() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": bytes(4096), "B.BIN": b"b"}))
    at = data.index(b"A.BIN;1") - 33
    data[at + 2 : at + 6] = (0x7FFFFFFF).to_bytes(4, "little")
    table = FileTable.of(Volume(bytes(data)))
    assert table.find("A.BIN") == Entry("A.BIN", (range(21, 23),), 4096)
    assert [problem for problem in table.problems if "byte orders" in problem]


def test_a_size_beyond_the_disc_is_cut_and_told() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": bytes(4096), "B.BIN": b"b"}))
    at = data.index(b"A.BIN;1") - 33
    data[at + 10 : at + 18] = (2**31).to_bytes(4, "little") + (2**31).to_bytes(4, "big")
    table = FileTable.of(Volume(bytes(data)))
    file = table.find("A.BIN")
    assert file is not None
    assert (file.size, file.extents) == (2**31, (range(21, 24),))
    assert file.outside == 2**20 - 3
    assert any("not on the disc" in problem for problem in table.problems)


def test_the_extents_of_a_large_file_are_one_file() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": bytes(4096), "B.BIN": b"b" * 10}))
    root = 20 * 2048
    at = data.index(b"A.BIN;1") - 33
    data[at + 25] |= 0x80
    other = data.index(b"B.BIN;1")
    data[other : other + 5] = b"A.BIN"
    assert root < at < other
    table = FileTable.of(Volume(bytes(data)))
    assert table.files == (Entry("A.BIN", (range(21, 23), range(23, 24)), 4106),)
    data[other : other + 5] = b"C.BIN"
    table = FileTable.of(Volume(bytes(data)))
    assert [file.path for file in table.files] == ["A.BIN", "C.BIN"]
    assert any("last extent" in problem for problem in table.problems)


def test_an_interleaved_file_has_its_units_only() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": bytes(4096), "B.BIN": bytes(8192)}))
    at = data.index(b"A.BIN;1") - 33
    data[at + 26 : at + 28] = bytes((1, 2))
    table = FileTable.of(Volume(bytes(data)))
    assert table.files[0].extents == (range(21, 22), range(24, 25))


def test_a_directory_that_contains_itself_ends() -> None:
    data = bytearray(iso_image("DISC", {"LOOP": bytes(2048)}))
    at = data.index(b"LOOP;1") - 33
    data[at + 2 : at + 10] = (20).to_bytes(4, "little") + (20).to_bytes(4, "big")
    data[at + 25] |= 2
    table = FileTable.of(Volume(bytes(data)))
    assert any("loop" in problem for problem in table.problems)
    assert [entry.path for entry in table.entries if entry.kind is Kind.DIRECTORY] == ["/"]


def test_a_primary_descriptor_without_tree_or_a_disc_without_volume_gives_no_files() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": b"a"}))
    data[16 * 2048 + 132 : 16 * 2048 + 190] = bytes(58)
    table = FileTable.of(Volume(bytes(data)))
    assert table.files == ()
    assert any("no root directory" in problem for problem in table.problems)
    assert FileTable.of(Volume(bytes(40 * 2048))).entries == ()
    assert FileTable.of(Volume(bytes(data), range(40))).entries == ()


def test_a_root_record_that_is_gone_is_found_by_the_path_table() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": b"a"}))
    data[16 * 2048 + 156 : 16 * 2048 + 190] = bytes(34)
    assert FileTable.of(Volume(bytes(data))).find("A.BIN") is not None


@pytest.mark.parametrize("options", [(), ("-J",)])
def test_files_are_found_though_every_volume_descriptor_is_lost(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    data = made("genisoimage", tree(tmp_path / "tree", FILES), tmp_path / "i.iso", "-D", *options)
    whole, table = FileTable.of(Volume(data)), FileTable.of(Volume(data, range(16, 19)))
    assert told(table) == told(whole)
    assert any("by search" in problem for problem in table.problems)


def test_high_sierra_is_walked() -> None:
    data = bytearray(iso_image("DISC", {"A.BIN": bytes(2048), "B.BIN": b"b"}))
    volume = data[16 * 2048 : 17 * 2048]
    sierra = bytearray(2048)
    sierra[8:15] = b"\1CDROM\1"
    sierra[48:140] = volume[40:132]  # to the block size, eight further on
    sierra[140:148] = volume[132:140]
    sierra[148:152], sierra[164:168] = volume[140:144], volume[148:152]
    sierra[180:214] = volume[156:190]
    data[16 * 2048 : 17 * 2048] = sierra
    data[17 * 2048 : 17 * 2048 + 16] = b"\0" * 8 + b"\xffCDROM\1\0"
    for name in (b"A.BIN;1", b"B.BIN;1"):
        at = data.index(name) - 33
        data[at + 24], data[at + 25] = data[at + 25], 0
    for at in (20 * 2048, 20 * 2048 + 34, 16 * 2048 + 180):
        data[at + 24], data[at + 25] = 2, 0
    table = FileTable.of(Volume(bytes(data)))
    info = volume_id(Volume(bytes(data)))
    assert info is not None and info.iso9660
    assert {(file.path, file.system) for file in table.files} == {
        ("A.BIN", "High Sierra"),
        ("B.BIN", "High Sierra"),
    }


TREE = iso_image("DISC", {f"FILE{number}.BIN": bytes(number * 1500) for number in range(12)})
LIMITS = Limits(entries=200, depth=4, text=10_000, blocks=300, failures=20, problems=20)


@settings(max_examples=300, deadline=2000)
@given(
    spoilt=st.lists(
        st.tuples(st.integers(16 * 2048, 21 * 2048 - 1), st.binary(min_size=1, max_size=8)),
        max_size=30,
    ),
    failed=st.sets(st.integers(16, 24), max_size=4),
)
def test_whatever_is_in_the_volume_the_walk_ends_within_its_limits(
    spoilt: list[tuple[int, bytes]], failed: set[int]
) -> None:
    data = bytearray(TREE)
    for at, junk in spoilt:
        data[at : at + len(junk)] = junk
    disc = Volume(bytes(data[: len(TREE)]), failed)
    table = FileTable.of(disc, LIMITS)
    assert len(table.entries) <= LIMITS.entries
    assert len(table.problems) <= LIMITS.problems + 2
    assert disc.reads <= LIMITS.blocks + 64
    for entry in table.entries:
        for extent in entry.extents:
            assert 0 <= extent.start < extent.stop <= len(disc.blocks)


def test_a_hostile_tree_of_endless_directories_ends_soon() -> None:
    """Each of 4,000 blocks is a directory of nine others with names of 200 letters."""
    count, data = 4000, bytearray(iso_image("DISC", {}, pad_to=4100))
    rng = np.random.default_rng(1)

    def entry(name: bytes, extent: int, size: int) -> bytes:
        both = extent.to_bytes(4, "little") + extent.to_bytes(4, "big")
        both += size.to_bytes(4, "little") + size.to_bytes(4, "big")
        body = b"\0" + both + bytes(7) + b"\2\0\0\1\0\0\1" + bytes((len(name),)) + name
        body += b"\0" * ((len(body) + 1) % 2)
        return bytes((len(body) + 1,)) + body

    for lba in (20, *range(100, 100 + count)):
        size = int(rng.integers(1, 2**31))
        block = entry(b"\0", lba, size) + entry(b"\1", 20, size)
        for _ in range(8):
            name = rng.integers(65, 91, 200, np.uint8).tobytes()
            block += entry(name, 100 + int(rng.integers(count)), size)
        data[lba * 2048 : (lba + 1) * 2048] = block.ljust(2048, b"\0")[:2048]
    disc = Volume(bytes(data))
    began = time.monotonic()
    table = FileTable.of(disc)
    assert time.monotonic() - began < 20
    assert disc.reads <= Limits().blocks + 64
    assert len(table.problems) <= Limits().problems + 2


# -- many files --------------------------------------------------------------------------------


@given(
    spans=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=30),
    asked=st.tuples(st.integers(0, 260), st.integers(0, 30)),
)
def test_a_hit_is_every_entry_that_shares_a_sector(
    spans: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    entries = [
        Entry(f"F{number}", (range(start, start + count),), count * 2048)
        for number, (start, count) in enumerate(spans)
    ]
    lbas = range(asked[0], asked[0] + asked[1])
    table = FileTable(entries)
    expected = {e.path for e in entries if set(e.extents[0]) & set(lbas)}
    assert set(table.hit(lbas)) == expected


def test_a_hundred_thousand_files_are_asked_quickly() -> None:
    entries = [Entry(f"F{n}", (range(n * 3, n * 3 + 3),), 6000) for n in range(100_000)]
    table = FileTable([Entry("ALL", (range(300_000),), 1), *entries])
    began = time.monotonic()
    for lba in range(0, 300_000, 300):
        assert table.hit(range(lba, lba + 1)) == tuple(
            sorted(("ALL", f"F{lba // 3}"), reverse=not lba)
        )
    assert time.monotonic() - began < 3
