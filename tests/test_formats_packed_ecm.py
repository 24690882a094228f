# SPDX-License-Identifier: Apache-2.0
"""ECM: what is written unpacks by a second decoder, whatever records come are read, damage is told.

ecm-tools is not at hand: a misunderstanding of the layout would be in both decoders.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, identify, open_image, write_image
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed import ecm, ecm_coding, ecm_index
from imagerd.sectors import convert
from imagerd.sectors.edc import edc
from tests.discs_formats import noise, raw_sectors, raw_volume
from tests.packed_reading import damaged, opens_or_says_why, stored_bytes

QUICK = WriteOptions(sync=False)


# -- a second decoder, a byte at a time, sharing no code with what is tested ---------------------


def _tables() -> tuple[list[int], list[int], list[int]]:
    forward, backward, table = [0] * 256, [0] * 256, [0] * 256
    for i in range(256):
        j = (i << 1) ^ (0x11D if i & 0x80 else 0)
        forward[i], backward[i ^ j] = j, i
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (0xD8018001 if value & 1 else 0)
        table[i] = value
    return forward, backward, table


FORWARD, BACKWARD, EDC = _tables()


def plain_edc(data: bytes, value: int = 0) -> int:
    for byte in data:
        value = (value >> 8) ^ EDC[(value ^ byte) & 0xFF]
    return value


def plain_parity(s: bytearray, majors: int, minors: int, mult: int, inc: int, dest: int) -> None:
    size = majors * minors
    for major in range(majors):
        index = (major >> 1) * mult + (major & 1)
        a = b = 0
        for _ in range(minors):
            value = s[0xC + index]
            index += inc
            if index >= size:
                index -= size
            a ^= value
            b ^= value
            a = FORWARD[a]
        a = BACKWARD[FORWARD[a] ^ b]
        s[dest + major], s[dest + major + majors] = a, a ^ b


def plain_sector(kind: int, kept: bytes) -> bytes:
    s = bytearray(2352)
    s[1:11] = b"\xff" * 10
    if kind == 1:
        s[12:15], s[15], s[16:2064] = kept[:3], 1, kept[3:]
        s[2064:2068] = struct.pack("<I", plain_edc(s[:2064]))
    else:
        s[16:20] = s[20:24] = kept[:4]
        end = 2072 if kind == 2 else 2348
        s[24:end] = kept[4:]
        s[end : end + 4] = struct.pack("<I", plain_edc(s[16:end]))
    if kind != 3:
        plain_parity(s, 86, 24, 2, 86, 0x81C)
        plain_parity(s, 52, 43, 86, 88, 0x8C8)
    return bytes(s if kind == 1 else s[16:])


def plain_decoder(data: bytes) -> bytes:
    assert data[:4] == b"ECM\0"
    at, result = 4, bytearray()
    while True:
        byte = data[at]
        at += 1
        kind, num, bits = byte & 3, (byte >> 2) & 0x1F, 5
        while byte & 0x80:
            byte = data[at]
            at += 1
            num |= (byte & 0x7F) << bits
            bits += 7
        if num == 0xFFFFFFFF:
            break
        for _ in range(num + 1):
            size = (1, 3 + 2048, 4 + 2048, 4 + 2324)[kind]
            kept = data[at : at + size]
            result += kept if kind == 0 else plain_sector(kind, kept)
            at += size
    assert struct.unpack("<I", data[at:]) == (plain_edc(result),)
    return bytes(result)


# -- images ------------------------------------------------------------------------------------


def xa_sectors(count: int, form2: set[int]) -> np.ndarray:
    """Mode 2 sectors of which those in `form2` are form 2, all of them right."""
    rows = noise(count, 2336, 9)
    rows[:, 4:8] = rows[:, :4] = (1, 0, 8, 0)
    for row in form2:
        rows[row, 2] = rows[row, 6] = 0x24
    stored = np.ascontiguousarray(rows[:, :2332])
    return convert.to_raw(stored, SectorFormat.XA_USER, TrackMode.MODE2, 0)


def packed(raw: np.ndarray) -> bytes:
    raw = np.ascontiguousarray(raw)
    return (
        b"ECM\0" + b"".join(ecm_coding.encode(raw)) + ecm_coding.end_of_records(edc(raw.tobytes()))
    )


def everything() -> np.ndarray:
    raw = np.concatenate(
        (
            raw_volume(20),
            xa_sectors(12, {3, 4, 11}),
            noise(3, 2352, 1),
            np.zeros((2, 2352), np.uint8),
            raw_sectors(TrackMode.MODE1, 700, 4),
        )
    )
    raw[5, 100] ^= 1  # a damaged sector
    raw[6, 2300] ^= 1  # wrong parity only
    raw[7, 2070] = 1  # not zero where zeros belong
    raw[25, 16] ^= 1  # subheaders that differ
    raw[23, 2348:] = 0  # form 2 without an EDC
    return raw


def image_of(raw: np.ndarray, folder: Path, name: str = "x.bin.ecm") -> Path:
    path = folder / name
    path.write_bytes(packed(raw))
    return path


# -- tests -------------------------------------------------------------------------------------


def test_a_second_decoder_unpacks_what_is_written_and_nothing_else_is_packed() -> None:
    raw = everything()
    assert plain_decoder(packed(raw)) == raw.tobytes()
    kinds = ecm_coding.kinds_of(raw)
    assert kinds[:20].tolist() == [1] * 5 + [0, 0, 0] + [1] * 12
    assert kinds[20:32].tolist() == [2, 2, 2, 0, 3, 0, 2, 2, 2, 2, 2, 3]
    assert kinds[32:35].tolist() == [0, 0, 0]
    assert kinds[35:37].tolist() == [2, 2], "zeros are a form 1 body, as the original has it"


@given(st.integers(0, 3), st.integers(1, (1 << 31) - 1))
def test_headers_come_back(kind: int, count: int) -> None:
    data = ecm_coding.header(kind, count)
    assert ecm_coding.parse_header(data, 0) == (kind, count, len(data))


@given(st.lists(st.tuples(st.sampled_from("12fan0"), st.integers(1, 40)), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_any_mixture_of_sectors_is_read_as_it_was(runs: list[tuple[str, int]]) -> None:
    makers = {
        "1": lambda n: raw_sectors(TrackMode.MODE1, 16, n),
        "2": lambda n: xa_sectors(n, set()),
        "f": lambda n: xa_sectors(n, set(range(n))),
        "a": lambda n: xa_sectors(n, set(range(0, n, 3))),
        "n": lambda n: noise(n, 2352, n),
        "0": lambda n: np.zeros((n, 2352), np.uint8),
    }
    raw = np.concatenate([makers[name](count) for name, count in runs])
    store = ecm.open_store(Bytes(packed(raw)))
    back = bytearray(store.size + 10)
    assert store.read_into(memoryview(back), 0) == raw.size
    assert back[: raw.size] == raw.tobytes()
    store.close()


class Bytes(DataFile):
    """A `DataFile` of bytes in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(Path("memory"), MemoryStore(data))


class MemoryStore:
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    suspect = False

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read_into(self, view: memoryview, offset: int) -> int:
        part = self.data[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)

    def lost(self, offset: int) -> int:
        return self.size - offset

    def close(self) -> None:
        pass


def test_blocks_begin_in_the_middle_of_records_and_read_anywhere(tmp_path: Path) -> None:
    raw = np.concatenate((raw_sectors(TrackMode.MODE1, 0, 2600), xa_sectors(1300, {900})))
    path = image_of(raw, tmp_path)
    index = ecm_index.build(DataFile(path))
    assert len(index.starts) > 3
    with open_image(path) as image:
        for lba in (3899, 0, 1023, 1024, 2599, 2600, 3500, 2048):
            block = image.read(lba, 3)
            assert block.data.tobytes() == raw[lba : lba + 3].tobytes()
        assert stored_bytes(image) == (raw.tobytes(), [])


def test_a_sheet_beside_it_names_the_bin_and_the_image_is_that(tmp_path: Path) -> None:
    raw = everything()
    image_of(raw, tmp_path)
    sheet = tmp_path / "x.cue"
    sheet.write_text('FILE "x.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    with open_image(sheet) as image:
        assert image.format == "cue"
        assert stored_bytes(image) == (raw.tobytes(), [])
    with open_image(tmp_path / "x.bin.ecm") as image:
        assert any("open x.cue" in str(warning) for warning in image.warnings)


def test_a_source_is_written_with_its_sheet_and_opens_by_it(tmp_path: Path) -> None:
    raw = raw_volume(60)
    (tmp_path / "a.bin").write_bytes(raw.tobytes())
    target = tmp_path / "b.bin.ecm"
    with open_image(tmp_path / "a.bin") as image:
        result = run(write_image(image, target, QUICK))
    assert identify(target).value == "ecm" == result.format
    assert [written.path.name for written in result.files] == ["b.cue", "b.bin.ecm"]
    assert plain_decoder(target.read_bytes()) == raw.tobytes()
    with open_image(tmp_path / "b.cue") as image:
        assert stored_bytes(image) == (raw.tobytes(), [])


def test_a_damaged_file_never_passes_as_whole(tmp_path: Path) -> None:
    """The EDC made again of a damaged byte is right: only that of the whole tells."""
    raw = raw_volume(60)
    data = bytearray(packed(raw))
    data[50000] ^= 4
    path = tmp_path / "x.bin.ecm"
    path.write_bytes(data)
    with open_image(path) as image:
        states = [image.read(0, 30).states, image.read(30, 30).states]
    assert (np.concatenate(states) < SectorState.READ).all()


def test_a_file_cut_short_says_so(tmp_path: Path) -> None:
    raw = raw_volume(60)
    path = tmp_path / "x.bin.ecm"
    path.write_bytes(packed(raw)[:-5000])
    with open_image(path) as image:
        assert any("cut short" in str(warning) for warning in image.warnings)
        found, suspect = stored_bytes(image)
    assert len(suspect) == len(found) // 2352, "there is no checksum"
    assert raw.tobytes().startswith(found)
    assert len(found) > 50 * 2352


def test_a_file_of_tiny_records_is_refused_in_time(tmp_path: Path) -> None:
    path = tmp_path / "x.ecm"
    path.write_bytes(b"ECM\0" + b"\0\1" * 1_000_001)
    with pytest.raises(BadInput, match="too many pieces"):
        open_image(path)


@given(st.data())
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_gives_a_sentence_or_an_image(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x.bin.ecm"
    path.write_bytes(damaged(data, packed(everything()), head=8))
    opens_or_says_why(path)


def test_what_is_no_bin_is_not_written_as_ecm(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(raw_volume(20).tobytes())
    with open_image(tmp_path / "a.bin") as image, pytest.raises(BadInput, match=r"X\.bin\.ecm"):
        run(write_image(image, tmp_path / "b.ecm", QUICK))
