# SPDX-License-Identifier: Apache-2.0
"""DAA, DAX, ISZ and DMG, each made by hand from its description: read right, judged, damaged."""

from __future__ import annotations

import bz2
import lzma
import plistlib
import struct
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.formats import identify, open_image
from imagerd.formats.chd.lzmaraw import Encoder
from imagerd.formats.packed.adc import from_adc
from tests.discs_formats import volume_sectors
from tests.judges import ask
from tests.packed_reading import damaged, opens_or_says_why, stored_bytes


def content(count: int) -> bytes:
    blocks = volume_sectors(count)
    blocks[20:40] = 0
    blocks[40::2] = blocks[19]
    return blocks.tobytes()


CONTENT = content(100)


def pieces(size: int) -> list[bytes]:
    return [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)]


def dax(version: int = 1) -> bytes:
    """Frames 3 and 4 are stored as they are, in version 1."""
    frames = pieces(0x2000)
    areas = [(3, 2)] if version else []
    packed = [
        frame if version and number in (3, 4) else zlib.compress(frame)
        for number, frame in enumerate(frames)
    ]
    at = 32 + 6 * len(frames) + 8 * len(areas)
    places = []
    for data in packed:
        places.append(at)
        at += len(data)
    return (
        struct.pack("<4sIII16x", b"DAX\0", len(CONTENT), version, len(areas))
        + struct.pack(f"<{len(places)}I", *places)
        + struct.pack(f"<{len(places)}H", *(len(data) for data in packed))
        + b"".join(struct.pack("<2I", *area) for area in areas)
        + b"".join(packed)
    )


def xored(data: bytes) -> bytes:
    return bytes(byte ^ ~b"IsZ!"[at % 4] & 0xFF for at, byte in enumerate(data))


def isz_chunks(size: int) -> list[tuple[int, bytes]]:
    """Kind and stored bytes: each kind in turn, zeros where there are only zeros."""
    made: list[tuple[int, bytes]] = []
    for number, piece in enumerate(pieces(size)):
        if not piece.strip(b"\0"):
            made.append((0, b""))
        elif number % 3 == 0:
            made.append((1, piece))
        elif number % 3 == 1:
            made.append((2, zlib.compress(piece)))
        else:
            made.append((3, b"\x01\x02\x03" + bz2.compress(piece)[3:]))
    return made


def isz(size: int = 10_000, cut: int | None = None) -> list[bytes]:
    """All segments: one, or two with the cut `cut` bytes into the data."""
    chunks = isz_chunks(size)
    data = b"".join(stored for _, stored in chunks)
    table = xored(
        b"".join(
            (kind << 22 | (len(stored) or size * (kind == 0))).to_bytes(3, "little")
            for kind, stored in chunks
        )
    )
    segments = b""
    place = 64 + len(table) + (72 if cut is not None else 0)
    if cut is not None:
        first = at = 0
        while at + len(chunks[first][1]) <= cut:
            at += len(chunks[first][1])
            first += 1
        left = at + len(chunks[first][1]) - cut
        segments = struct.pack("<QIIII", 1, first + 1, 0, place, left)
        segments += struct.pack("<QIIII", 1, len(chunks) - first - 1, first + 1, 64 + left, 0)
        segments = xored(segments[:24]) + xored(segments[24:]) + xored(bytes(24))
    head = struct.pack(
        "<4sBBIHIBQIIBBIIIB",
        *(b"IsZ!", 64, 1, 0, 2048, len(CONTENT) // 2048, 0, 0, len(chunks), size, 3, 0),
        *(64, 64 + len(table) if segments else 0, place, 0),
    )
    whole = head.ljust(64, b"\0") + table + segments + data[: cut or None]
    if cut is None:
        return [head.ljust(64, b"\0") + table + data]
    return [whole, head.ljust(64, b"\0") + data[cut:]]


def adc(data: bytes) -> bytes:
    """Literals, and copies of the byte before."""
    out = bytearray()
    at = 0
    while at < len(data):
        run = 1
        while at and run < 67 and data[at : at + run] == data[at - 1 : at] * run:
            run += 1
        if run > 5 and at + run - 1 <= len(data):
            out += bytes([0x40 | (run - 1 - 4), 0, 0])
            at += run - 1
            continue
        part = data[at : at + 1]
        out += bytes([0x80 | (len(part) - 1)]) + part
        at += len(part)
    return bytes(out)


def dmg(kinds: tuple[int, ...] = (1, 4, 5, 6, 8)) -> bytes:
    packers = {1: bytes, 4: adc, 5: zlib.compress, 6: bz2.compress, 8: lzma.compress}
    body, entries = b"", b""
    for number, piece in enumerate(pieces(16384)):
        kind = kinds[number % len(kinds)]
        if not piece.strip(b"\0"):
            code, data = 2, b""
        else:
            code, data = (kind if kind == 1 else 0x80000000 | kind), packers[kind](piece)
        sectors = len(piece) // 512
        entries += struct.pack(">IIQQQQ", code, 0, number * 32, sectors, len(body), len(data))
        body += data
    total = len(CONTENT) // 512
    entries += struct.pack(">IIQQQQ", 0xFFFFFFFF, 0, total, 0, len(body), 0)
    table = struct.pack(">4sIQQQII", b"mish", 1, 0, total, 0, 0, 0).ljust(200, b"\0")
    table += struct.pack(">I", len(entries) // 40) + entries
    row = {"Attributes": "0x0050", "CFName": "disc", "Data": table, "ID": "0", "Name": "disc"}
    listed = plistlib.dumps({"resource-fork": {"blkx": [row]}})
    trailer = bytearray(512)
    struct.pack_into(">4sIIIQQQ", trailer, 0, b"koly", 4, 512, 1, 0, 0, len(body))
    struct.pack_into(">II", trailer, 56, 1, 1)
    struct.pack_into(">QQ", trailer, 216, len(body), len(listed))
    struct.pack_into(">IQ", trailer, 488, 1, total)
    return body + listed + bytes(trailer)


def daa(cut: int | None = None) -> list[bytes]:
    """Chunks of 64 KiB; with `cut`, the data go on in a second part."""
    packed = []
    for piece in pieces(0x10000):
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed.append(deflate.compress(piece) + deflate.flush())
    table = b"".join(
        bytes([len(data) >> 16, len(data) & 0xFF, len(data) >> 8 & 0xFF]) for data in packed
    )
    data = b"".join(packed)
    listed = b"" if cut is None else struct.pack("<IIII", 2, 16 + 505, 2, 1) + bytes(505)
    place = 76 + len(listed) + len(table)
    sizes = (len(CONTENT), place + len(data))
    head = struct.pack(
        "<16sIIIIIIQQ", b"DAA", 76 + len(listed), 0x100, place, 1, 0, 0x10000, *sizes
    )
    head += bytes(16)
    head += zlib.crc32(head).to_bytes(4, "little")
    first = head + listed + table + data[:cut]
    if cut is None:
        return [first]
    further = struct.pack("<16sI", b"DAA VOL", 40) + bytes(16)
    return [first, further + zlib.crc32(further).to_bytes(4, "little") + data[cut:]]


def _bits(fields: list[tuple[int, int]]) -> bytes:
    """Numbers of so many bits, lowest bit first."""
    whole = at = 0
    for value, width in fields:
        whole |= value << at
        at += width
    return whole.to_bytes(-(-at // 8), "little")


DISGUISES = {"plain": 0, "numbers": 0x20000, "bytes": 0x8000000, "deflated": 0x4000}


def x86(data: bytes) -> bytes:
    """BCJ as LZMA's SDK encodes it: what an .xz of LZMA2 in stored pieces has in them."""
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 0}]
    packed = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    decoder = lzma.LZMADecompressor(
        lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}]
    )
    return decoder.decompress(packed)


def daa_bits(disguise: int = 0, *, x86_filter: bool = True, content: bytes = CONTENT) -> bytes:
    """Version 0x110: chunks of 16 KiB by LZMA, deflate and stored in turn."""
    size, encoder = 1 << 14, Encoder(1 << 16)
    rows, packed = [], b""
    masks = b"\n5-?\x083\t\x15"
    for number, at in enumerate(range(0, len(content), size)):
        piece, kind = content[at : at + size], number % 3
        if kind == 0:
            data = encoder.encode(x86(piece) if x86_filter else piece)
        elif kind == 1:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = deflate.compress(piece) + deflate.flush()
        if kind == 2 or not 5 <= len(data) < size:
            data, kind = piece.ljust(size, b"\0"), 0
        mask = (number ^ masks[number & 7]) * 0x01010101 if disguise & 0x20000 else 0
        rows += [(len(data) - 5 ^ mask & 0x7FFF, 15), (kind ^ mask & 1, 1)]
        packed += data
    table = _bits(rows)
    if disguise & 0x8000000:
        blocks = len(content) // 2048
        row = (blocks + (blocks >> 8) * n for n in range(len(table)))
        table = bytes(byte + n & 0xFF for byte, n in zip(table, row, strict=True))
    deflated = 0
    if disguise & 0x4000:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        table = deflate.compress(table) + deflate.flush()
        deflated = len(table)
    fields = struct.pack("<BIBB", 1, deflated, 5 << 3 | 1, x86_filter) + b"\x5d\0\0\1\0\0\0\0\0"
    place = 76 + len(table)
    flags = size >> 14 | 0x100000 | disguise
    sizes = (len(content), place + len(packed))
    head = struct.pack("<16sIIIIIIQQ", b"DAA", 76, 0x110, place, 1, 0, flags, *sizes) + fields
    return head + zlib.crc32(head).to_bytes(4, "little") + table + packed


def of_machine_code(count: int) -> bytes:
    """Calls and jumps close to each other and at the ends of chunks, where BCJ is particular."""
    random = Random(7)
    words = [b"\xe8", b"\xe9", b"\xe8\0", b"\xe9\xff", b"\0", b"\xff", b"\x8b\xc3"]
    code = b"".join(random.choice(words) for _ in range(count * 2048))
    return volume_sectors(20).tobytes() + code[: (count - 20) * 2048]


MADE = {"daa": daa()[0], "dax": dax(), "isz": isz()[0], "dmg": dmg()}
HOSTILE = {**MADE, "110.daa": daa_bits(0x4000)}


@pytest.mark.parametrize("name", MADE)
def test_the_image_inside_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"x.{name}"
    path.write_bytes(MADE[name])
    assert identify(path).value == name
    with open_image(path) as image:
        assert image.format == name
        assert not image.warnings
        assert stored_bytes(image) == (CONTENT, [])
        assert image.read(77, 1).data.tobytes() == CONTENT[77 * 2048 : 78 * 2048]


def test_a_dax_of_version_0_has_no_areas(tmp_path: Path) -> None:
    (tmp_path / "x.dax").write_bytes(dax(0))
    with open_image(tmp_path / "x.dax") as image:
        assert stored_bytes(image) == (CONTENT, [])


@given(st.integers(1, sum(len(stored) for _, stored in isz_chunks(10_000)) - 1))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_segments_of_isz_are_cut_anywhere_in_a_chunk(tmp_path: Path, cut: int) -> None:
    first, second = isz(cut=cut)
    (tmp_path / "x.isz").write_bytes(first)
    (tmp_path / "x.i01").write_bytes(second)
    with open_image(tmp_path / "x.isz") as image:
        assert [path.name for path in image.files] == ["x.isz", "x.i01"]
        assert stored_bytes(image) == (CONTENT, [])


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.isz").write_bytes(isz(cut=50_000)[0])
    with pytest.raises(BadInput, match=r"x\.i01 is missing"):
        open_image(tmp_path / "x.isz")


def test_7z_unpacks_the_same_of_a_dmg(tmp_path: Path) -> None:
    (tmp_path / "x.dmg").write_bytes(dmg((1, 4, 5, 6)))
    ask("7z", "e", "-tdmg", f"-o{tmp_path / 'out'}", tmp_path / "x.dmg")
    (unpacked,) = (tmp_path / "out").iterdir()
    assert unpacked.read_bytes() == CONTENT


def test_dmg2img_unpacks_the_same(tmp_path: Path) -> None:
    (tmp_path / "x.dmg").write_bytes(dmg((1, 4, 5, 6)))
    ask("dmg2img", "-i", tmp_path / "x.dmg", "-o", tmp_path / "out")
    assert (tmp_path / "out").read_bytes()[: len(CONTENT)] == CONTENT


def test_daa2iso_unpacks_the_same(tmp_path: Path) -> None:
    (tmp_path / "x.daa").write_bytes(daa()[0])
    ask("daa2iso", tmp_path / "x.daa", tmp_path / "out.iso", ok=(1,))  # it always exits 1
    assert (tmp_path / "out.iso").read_bytes() == CONTENT


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("x86_filter", [False, True])
def test_a_daa_of_version_110_is_read_and_daa2iso_unpacks_the_same(
    tmp_path: Path, disguise: str, x86_filter: bool
) -> None:
    data = of_machine_code(301)  # the last chunk is not a whole one
    path = tmp_path / "x.daa"
    path.write_bytes(daa_bits(DISGUISES[disguise], x86_filter=x86_filter, content=data))
    with open_image(path) as image:
        assert not image.warnings
        assert stored_bytes(image) == (data, [])
    ask("daa2iso", path, tmp_path / "out.iso", ok=(1,))
    assert (tmp_path / "out.iso").read_bytes() == data


def test_a_deflate_of_powerisos_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.daa").write_bytes(daa_bits(1 << 23))
    with pytest.raises(BadInput, match="use daa2iso"):
        open_image(tmp_path / "x.daa")


@pytest.mark.parametrize("at", [61, 63, 16, 40])
def test_headers_of_version_110_that_cannot_be_are_refused(tmp_path: Path, at: int) -> None:
    made = bytearray(daa_bits())
    made[at : at + 2] = b"\xfe\xff"
    made[72:76] = zlib.crc32(made[:72]).to_bytes(4, "little")
    (tmp_path / "x.daa").write_bytes(made)
    opens_or_says_why(tmp_path / "x.daa")


@pytest.mark.parametrize("cut", [0, 1, 30_000])
def test_a_daa_goes_on_in_its_parts(tmp_path: Path, cut: int) -> None:
    for name, data in zip(("x.daa", "x.d00"), daa(cut), strict=True):
        (tmp_path / name).write_bytes(data)
    with open_image(tmp_path / "x.daa") as image:
        assert [path.name for path in image.files] == ["x.daa", "x.d00"]
        assert stored_bytes(image) == (CONTENT, [])
    with pytest.raises(BadInput, match="open the first"):
        open_image(tmp_path / "x.d00")
    (tmp_path / "x.d00").unlink()
    with pytest.raises(BadInput, match=r"x\.d00 is missing"):
        open_image(tmp_path / "x.daa")


def test_adc_copies_what_overlaps() -> None:
    assert from_adc(bytes([0x82]) + b"abc" + bytes([0x40 | 5, 0, 2]), 12) == b"abcabcabcabc"
    assert from_adc(bytes([0x80]) + b"z" + bytes([7 << 2, 0]), 11) == b"z" * 11
    assert from_adc(bytes([0x40, 0, 9]), 4) is None
    data = b"aaaaaaaaaaaaaaaaaaabcd" * 9
    assert from_adc(adc(data), len(data)) == data


def test_a_plain_dmg_is_not_taken_for_the_disc_at_its_front(tmp_path: Path) -> None:
    (tmp_path / "x.dmg").write_bytes(dmg((1,)))
    assert identify(tmp_path / "x.dmg").value == "dmg"


def test_a_damaged_chunk_costs_its_own_sectors(tmp_path: Path) -> None:
    data = bytearray(dmg((5,)))
    data[3000:3010] = bytes(10)
    (tmp_path / "x.dmg").write_bytes(data)
    with open_image(tmp_path / "x.dmg") as image:
        found, failed = stored_bytes(image)
    assert failed == list(range(8))
    assert found[8 * 2048 :] == CONTENT[8 * 2048 :]


@pytest.mark.parametrize("name", HOSTILE)
@given(data=st.data())
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_gives_a_sentence_or_an_image(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    made = damaged(data, HOSTILE[name], head=200)
    if name == "dmg":  # all that counts is at the end
        made = damaged(data, HOSTILE[name][::-1], head=512 + 3000)[::-1]
    if name.endswith("daa") and len(made) > 76 and data.draw(st.booleans()):
        made = made[:72] + zlib.crc32(made[:72]).to_bytes(4, "little") + made[76:]
    path = tmp_path / f"x.{name}"
    path.write_bytes(made)
    opens_or_says_why(path)
