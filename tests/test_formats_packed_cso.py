# SPDX-License-Identifier: Apache-2.0
"""CSO and ZSO: written, read back, and unpacked by a second, plain decoder of our own.

No program that knows them is at hand: a misunderstanding of the layout would be in both.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import lz4.block
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, identify, open_image, write_image
from imagerd.formats.packed.cso import Kind
from imagerd.formats.packed.cso_writing import shift_for, write_cso
from tests.discs_formats import noise, volume_sectors
from tests.packed_reading import damaged, opens_or_says_why, stored_bytes
from tests.toolkit_images import write_iso

QUICK = WriteOptions(sync=False)


def mixed_blocks(count: int) -> np.ndarray:
    """Blocks of noise, of text and of nothing, a volume among them."""
    blocks = volume_sectors(count)
    blocks[20::3] = 0
    blocks[21::3] = np.frombuffer((b"a line of text, %d\n" * 200)[:2048], np.uint8)
    return blocks


def plain_decoder(data: bytes) -> bytes:
    """One block after another, sharing no code with what is tested."""
    magic, _, total, block, version, shift = struct.unpack_from("<4sIQIBB", data)
    count = (total + block - 1) // block
    index = struct.unpack_from(f"<{count + 1}I", data, 24)
    result = b""
    for at, after in pairwise(index):
        start, stop = (at & 0x7FFFFFFF) << shift, (after & 0x7FFFFFFF) << shift
        packed, high = data[start:stop], bool(at & 0x80000000)
        if version == 2:
            stored, fast = stop - start >= block, high
        else:
            stored, fast = high, magic == b"ZISO"
        if stored:
            result += packed[:block]
        elif fast:
            result += lz4.block.decompress(packed, uncompressed_size=block)
        else:
            result += zlib.decompress(packed, wbits=-15)
    return result[:total]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, tuple[Path, bytes]]:
    folder = tmp_path_factory.mktemp("cso")
    blocks = mixed_blocks(300)
    source = write_iso(folder, blocks.tobytes())
    made = {}
    for kind in Kind:
        target = folder / f"{kind.name}.cso"
        with open_image(source) as image:
            run(write_cso(image, target, QUICK, kind))
        made[kind] = (target, blocks.tobytes())
    return made


@pytest.mark.parametrize("kind", Kind)
def test_an_independent_decoder_unpacks_what_is_written(
    packed: dict[Kind, tuple[Path, bytes]], kind: Kind
) -> None:
    path, content = packed[kind]
    assert plain_decoder(path.read_bytes()) == content
    assert path.stat().st_size < 0.7 * len(content)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_written_opens_as_the_iso_it_was(
    packed: dict[Kind, tuple[Path, bytes]], kind: Kind
) -> None:
    path, content = packed[kind]
    with open_image(path) as image:
        assert image.format == ("zso" if kind is Kind.ZSO else "cso")
        assert stored_bytes(image) == (content, [])
        assert image.read(299, 1).data.tobytes() == content[-2048:]
        assert image.read(7, 2).data.tobytes() == content[7 * 2048 : 9 * 2048]


def test_a_cso_in_a_gzip_is_read_by_both_of_its_threads(
    packed: dict[Kind, tuple[Path, bytes]], tmp_path: Path
) -> None:
    path, content = packed[Kind.CSO1]
    (tmp_path / "x.cso.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    with open_image(tmp_path / "x.cso.gz") as image:
        assert stored_bytes(image) == (content, [])


def test_blocks_without_a_volume_are_blocks(tmp_path: Path) -> None:
    content = noise(147, 2048, 3)  # 128 times 2352 bytes: might be audio
    with open_image(write_iso(tmp_path, content.tobytes())) as image:
        run(write_image(image, tmp_path / "x.cso", QUICK))
    with open_image(tmp_path / "x.cso") as image:
        assert stored_bytes(image) == (content.tobytes(), [])
        assert image.layout.end == 147


@pytest.mark.parametrize("suffix", [".cso", ".zso"])
def test_the_suffix_names_what_is_written_and_digests_are_of_the_file_and_of_the_track(
    tmp_path: Path, suffix: str
) -> None:
    blocks = mixed_blocks(40).tobytes()
    target = tmp_path / f"x{suffix}"
    with open_image(write_iso(tmp_path, blocks)) as image:
        result = run(write_image(image, target, QUICK))
    assert identify(target).value == suffix[1:] == result.format
    assert result.files[0].digests == digest_bytes(target.read_bytes())
    assert result.tracks[0].digests == digest_bytes(blocks)


def handmade(blocks: list[bytes], shift: int, version: int, block: int, total: int) -> bytes:
    """A CSO whose blocks are aligned to 1 << shift with zeros."""
    at = 24 + 4 * (len(blocks) + 1)
    at += -at % (1 << shift)
    body, index = b"\0" * (at - 24 - 4 * (len(blocks) + 1)), []
    for data in blocks:
        index.append(at >> shift)
        padded = data + b"\0" * (-len(data) % (1 << shift))
        body += padded
        at += len(padded)
    index.append(at >> shift)
    if version == 2:
        index = [entry | 0x80000000 for entry in index[:-1]] + index[-1:]
    head = struct.pack("<4sIQIBBH", b"CISO", 24, total, block, version, shift, 0)
    return head + struct.pack(f"<{len(index)}I", *index) + body


@pytest.mark.parametrize("shift", [0, 3, 6])
def test_aligned_blocks_of_either_packing_are_unpacked(tmp_path: Path, shift: int) -> None:
    content = mixed_blocks(24).tobytes()
    for version, block in ((1, 4096), (2, 16384)):
        made = []
        for at in range(0, len(content), block):
            piece = content[at : at + block]
            if version == 2:
                packed = lz4.block.compress(piece, store_size=False)
                made.append(packed if len(packed) + 64 < block else piece)
            else:
                made.append(zlib.compress(piece, wbits=-15))
        path = tmp_path / f"{version}.cso"
        path.write_bytes(handmade(made, shift, version, block, len(content)))
        with open_image(path) as image:
            assert stored_bytes(image) == (content, [])


def test_a_last_block_may_be_shorter(tmp_path: Path) -> None:
    content = mixed_blocks(21).tobytes()
    pieces = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    data = handmade([zlib.compress(p, wbits=-15) for p in pieces], 0, 1, 4096, len(content))
    path = tmp_path / "x.cso"
    path.write_bytes(data)
    with open_image(path) as image:
        assert stored_bytes(image) == (content, [])


def test_a_damaged_block_costs_its_own_sectors_only(
    packed: dict[Kind, tuple[Path, bytes]], tmp_path: Path
) -> None:
    data = bytearray(packed[Kind.CSO1][0].read_bytes())
    content = packed[Kind.CSO1][1]
    at, after = (entry & 0x7FFFFFFF for entry in struct.unpack_from("<2I", data, 24 + 4 * 21))
    assert after - at < 100, "block 21 is text"
    data[at:after] = b"\xff" * (after - at)
    path = tmp_path / "x.cso"
    path.write_bytes(data)
    with open_image(path) as image:
        found, failed = stored_bytes(image)
    assert failed == [21]
    assert found[: 21 * 2048] == content[: 21 * 2048]
    assert found[22 * 2048 :] == content[22 * 2048 :]


def test_a_file_cut_short_says_so_and_fails_behind_the_cut(
    packed: dict[Kind, tuple[Path, bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "x.cso"
    path.write_bytes(packed[Kind.CSO1][0].read_bytes()[:-5000])
    with open_image(path) as image:
        assert any("cut short" in str(warning) for warning in image.warnings)
        assert image.read(299, 1).states[0] == SectorState.FAILED
        assert image.read(0, 1).states[0] == SectorState.READ


def test_large_images_get_aligned_offsets() -> None:
    assert [shift_for(size << 20) for size in (700, 2040, 2048, 4700, 8500)] == [0, 0, 1, 2, 3]


def test_a_promise_that_the_index_cannot_keep_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.cso"
    path.write_bytes(struct.pack("<4sIQIBBH", b"CISO", 24, 1 << 41, 2048, 1, 0, 0) + bytes(99))
    with pytest.raises(BadInput, match="no room for the index"):
        open_image(path)


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_gives_a_sentence_or_failed_sectors(
    packed: dict[Kind, tuple[Path, bytes]], tmp_path: Path, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(Kind))
    path = tmp_path / "x.cso"
    path.write_bytes(damaged(data, packed[kind][0].read_bytes(), head=1300))
    opens_or_says_why(path)
