# SPDX-License-Identifier: Apache-2.0
"""Whatever a CHD says: a sentence or a fault, never a crash, never more memory than it is worth."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.formats.chd.bits import BitReader, BitWriter, Corrupt
from imagerd.formats.chd.header import V5_SIZE, Header, pack
from imagerd.formats.chd.huffman import Decoder, canonical, decode_bytes, lengths_of
from imagerd.formats.chd.hunkmap import ENTRY, Kind, read_map
from imagerd.formats.chd.mapwriting import write_map
from imagerd.formats.chd.metadata import Block, write_chain
from imagerd.formats.datafile import DataFile
from tests.chd_files import cd_block, frames_of, write_old
from tests.discs_formats import raw_sectors
from tests.sources import audio, data, memory_disc


def small_files() -> list[bytes]:
    """A CD with all codecs in it, and one of version 4."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.chd"
        source = memory_disc([data(24), audio(16), data(9, TrackMode.MODE2)], mcn="4006381333931")
        source.raw[1][:8, 30:1500] = 0
        run(write_image(source, path, WriteOptions(sync=False, hash=False)))
        new = path.read_bytes()
        hunks = frames_of(raw_sectors(TrackMode.MODE1, 0, 24), 9792)
        write_old(path, 4, hunks, [cd_block(24)])
        return [new, path.read_bytes()]


FILES = small_files()


def assert_is_a_sentence(error: BadInput) -> None:
    assert str(error).endswith(".") and "\n" not in str(error)


def survives(raw: bytes) -> None:
    """Open and read `raw`: refused with a sentence, or read to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.chd"
        path.write_bytes(raw)
        try:
            image = open_image(path)
        except BadInput as error:
            assert_is_a_sentence(error)
            return
        try:
            for track in image.layout.tracks:
                lba = track.start
                while lba < track.end:
                    block = image.read(lba, 2048)
                    explained = sum(fault.count for fault in block.faults)
                    assert explained >= int((block.states == SectorState.FAILED).sum())
                    lba = block.end
        finally:
            image.close()


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4),
    at_ends=st.booleans(),
)
def test_changed_bytes_are_refused_or_faults(
    which: int, flips: list[tuple[float, int]], at_ends: bool
) -> None:
    raw = bytearray(FILES[which])
    for where, mask in flips:
        # Header, map and metadata lie at the ends: half of all changes are for them.
        span = 1200 if at_ends else len(raw) - 1
        raw[int(where * span) - (span // 2 if at_ends else 0)] ^= mask
    survives(bytes(raw))


@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 1), left=st.floats(0, 1))
def test_a_file_cut_anywhere_is_refused_or_faults(which: int, left: float) -> None:
    survives(FILES[which][: max(8, int(left * len(FILES[which])))])


WORDS = [
    "TRACK:1", "TRACK:2", "TRACK:-1", "TYPE:AUDIO", "TYPE:MODE1_RAW", "TYPE:X", "FRAMES:8",
    "FRAMES:-8", "FRAMES:99999999999", "FRAMES:24", "PREGAP:150", "PREGAP:8", "PREGAP:9999999",
    "PGTYPE:VAUDIO", "PAD:4", "PAD:24", "POSTGAP:3", "SUBTYPE:RW", "SUBTYPE:Y", "\u00e4", "\0",
]  # fmt: skip
TAGS = [b"CHT2", b"CHGD", b"CHTR", b"CHCD", b"DVD ", b"IMGD"]


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=9), tag=st.sampled_from(TAGS))
def test_any_track_is_refused_or_read(words: list[str], tag: bytes) -> None:
    hunks = np.zeros((3, 19584), np.uint8)
    block = Block(tag, " ".join(words).encode())
    survives(chd(hunks, [block, cd_block(24)] if tag == b"IMGD" else [block]))


def chd(hunks: np.ndarray, blocks: list[Block], **changes: int) -> bytes:  # type: ignore[type-arg]
    """A CHD of plain hunks with header fields changed."""
    entries = np.zeros(len(hunks), ENTRY)
    entries["kind"] = Kind.SELF
    entries[0] = (Kind.PLAIN, hunks.shape[1], V5_SIZE, 0, True)
    entries["check"][0] = crc16.ibm_3740(hunks[0].tobytes())
    table = write_map(entries, V5_SIZE)
    at = V5_SIZE + hunks.shape[1]
    fields = {
        "logical": hunks.size, "map_offset": at, "meta_offset": at + len(table),
        "hunk": hunks.shape[1], "unit": 2448, **changes,
    }  # fmt: skip
    header = Header(
        version=5, codecs=(b"cdzl",), raw_sha1=bytes(20), sha1=bytes(20), parent_sha1=None, **fields
    )
    chain = write_chain(blocks, at + len(table))
    return pack(header) + hunks[0].tobytes() + table + chain


HUGE = [
    {"logical": 1 << 60}, {"logical": 0}, {"hunk": 0}, {"hunk": 1 << 31}, {"unit": 0}, {"unit": 5},
    {"map_offset": 1 << 63}, {"meta_offset": (1 << 64) - 1}, {"logical": 2448 * 90_000_000},
]  # fmt: skip


@pytest.mark.parametrize("changes", HUGE)
def test_sizes_that_cannot_be_are_refused(changes: dict[str, int], tmp_path: Path) -> None:
    hunks = np.zeros((3, 19584), np.uint8)
    (tmp_path / "x.chd").write_bytes(chd(hunks, [cd_block(24)], **changes))
    with pytest.raises(BadInput, match=r"x\.chd: .*\.$"):
        open_image(tmp_path / "x.chd")


def test_metadata_in_a_circle_are_refused(tmp_path: Path) -> None:
    hunks = np.zeros((3, 19584), np.uint8)
    raw = chd(hunks, [cd_block(24), Block(b"XXXX", b"1")])
    at = raw.index(b"XXXX")
    (tmp_path / "x.chd").write_bytes(raw[: at + 8] + struct.pack(">Q", at) + raw[at + 16 :])
    with pytest.raises(BadInput, match="no end"):
        open_image(tmp_path / "x.chd")


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 5, 5, 4]), st.integers(1, 400)),
        min_size=1,
        max_size=12,
    ),
    seed=st.integers(0, 1000),
)
def test_any_map_written_and_read_is_the_same_map(kinds: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, offset = [], V5_SIZE
    for kind, repeat in kinds:
        for _ in range(repeat):
            own = next((n for n in range(len(rows) - 1, -1, -1) if rows[n][0] != 5), None)
            if kind == 5 and own is not None:
                rows.append((5, 0, int(rng.integers(0, own + 1)) if repeat < 9 else own, 0, False))
                if rows[rows[-1][2]][0] == 5:
                    rows[-1] = (5, 0, own, 0, False)
                continue
            here = 4 if kind == 5 else kind
            length = 19584 if here == 4 else int(rng.integers(1, 19000))
            rows.append((here, length, offset, int(rng.integers(0, 65536)), True))
            offset += length
    entries = np.array(rows, ENTRY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map"
        path.write_bytes(write_map(entries, V5_SIZE))
        header = Header(5, (b"cdlz",) * 4, 19584 * len(rows), 0, 0, 19584, 2448, b"", b"", None)
        file = DataFile(path)
        assert np.array_equal(read_map(file, header), entries)
        file.close()


@given(counts=st.lists(st.integers(0, 10**6), min_size=16, max_size=16).filter(any))
def test_codes_are_prefix_free_and_no_longer_than_allowed(counts: list[int]) -> None:
    lengths = lengths_of(counts, 8)
    assert max(lengths) <= 8
    assert [bool(length) for length in lengths] == [bool(count) for count in counts]
    codes, decoder = canonical(lengths), Decoder(lengths, 8)
    used = [symbol for symbol in range(16) if counts[symbol]]
    bits = BitWriter()
    for symbol in used:
        bits.write(codes[symbol], lengths[symbol])
    reader = BitReader(bits.data())
    assert [decoder.one(reader) for _ in used] == used


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=200))
def test_any_bytes_are_huffman_or_corrupt(junk: bytes) -> None:
    with contextlib.suppress(Corrupt):
        assert len(decode_bytes(junk, 64)) == 64
