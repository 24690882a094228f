# SPDX-License-Identifier: Apache-2.0
"""Small valid images in every form of CHD and of what is packed; and plain ones."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from backports import zstd

from imagerd.base.progress import run
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.formats.chd.decoders import lzma_filters
from imagerd.formats.packed.cso import Kind
from imagerd.formats.packed.cso_writing import write_cso
from tests import test_formats_packed_tables as tables
from tests.chd_files import cd_block, frames_of, write_old, write_plain, write_v5
from tests.discs_formats import raw_sectors, raw_volume, volume_sectors
from tests.fuzz.makers_sheets import QUICK, mixed, source_of
from tests.iso9660 import iso_image
from tests.sources import memory_blocks
from tests.test_formats_packed_ecm import everything, packed

HUNK = 8 * 2448
FILES = {"README.TXT": b"a file\n" * 40, "DATA.BIN": bytes(range(256)) * 20, "VIDEO_TS.IFO": b"x"}


def _content() -> bytes:
    """A volume with files, and zeros behind it."""
    return iso_image("A_VOLUME", FILES, pad_to=40)


def _frames() -> Bytes2D:
    return frames_of(raw_sectors(TrackMode.MODE1, 0, 24), HUNK)


# -- CHD ---------------------------------------------------------------------------------------


def chd(folder: Path) -> Path:
    """As we write it: a CD in which all codecs are of use."""
    source = source_of(mixed())
    source.tracks[1][:8, 30:1500] = 0
    run(write_image(source, folder / "disc.chd", QUICK))
    return folder / "disc.chd"


def chd_quick(folder: Path) -> Path:
    """As we write it in haste, with subchannel."""
    options = WriteOptions(sync=False, hash=False, quick=True)
    run(write_image(source_of(mixed(), sub=True), folder / "disc.chd", options))
    return folder / "disc.chd"


def chd_dvd(folder: Path) -> Path:
    """A DVD."""
    run(write_image(memory_blocks(40), folder / "disc.chd", QUICK))
    return folder / "disc.chd"


def chd_plain(folder: Path) -> Path:
    """Version 5, nothing compressed, one hunk nowhere."""
    write_plain(folder / "disc.chd", _frames(), [cd_block(24)], [1])
    return folder / "disc.chd"


def chd_3(folder: Path) -> Path:
    """Version 3."""
    write_old(folder / "disc.chd", 3, _frames(), [cd_block(24)])
    return folder / "disc.chd"


def chd_4(folder: Path) -> Path:
    """Version 4, with a parent."""
    hunks = _frames()
    parent = folder / "parent.chd"
    write_old(parent, 4, hunks, [cd_block(24)])
    sha1 = parent.read_bytes()[48:68]
    child = hunks.copy()
    child[1] = child[1][::-1]
    write_old(folder / "disc.chd", 4, child, [cd_block(24)], (sha1, hunks))
    return folder / "disc.chd"


def chd_child(folder: Path) -> Path:
    """Version 5 that says it has a parent."""
    parent = folder / "parent.chd"
    run(write_image(source_of(mixed()), parent, QUICK))
    sha1 = parent.read_bytes()[84:104]
    _one_codec(folder / "disc.chd", b"cdzl", _deflated, _deflated, parent=sha1)
    return folder / "disc.chd"


Pack = Callable[[bytes], bytes]


def _deflated(data: bytes) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    return coder.compress(data) + coder.flush()


def _lzma(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=lzma_filters(len(data)))


def _one_codec(
    path: Path, codec: bytes, base: Pack, sub: Pack, *, parent: bytes | None = None
) -> None:
    hunks, made = _frames(), []
    for hunk in hunks:
        frames = hunk.reshape(-1, 2448)
        bare = frames[:, :2352].copy()
        bare[:, :12] = bare[:, 2076:] = 0
        data = base(bare.tobytes())
        made.append(b"\xff" + len(data).to_bytes(2, "big") + data + sub(frames[:, 2352:].tobytes()))
    write_v5(path, codec, made, hunks, [cd_block(24)], parent=parent)


def chd_cdzl(folder: Path) -> Path:
    """Deflate alone."""
    _one_codec(folder / "disc.chd", b"cdzl", _deflated, _deflated)
    return folder / "disc.chd"


def chd_cdlz(folder: Path) -> Path:
    """LZMA alone."""
    _one_codec(folder / "disc.chd", b"cdlz", _lzma, _deflated)
    return folder / "disc.chd"


def chd_cdzs(folder: Path) -> Path:
    """Zstandard alone."""
    _one_codec(folder / "disc.chd", b"cdzs", zstd.compress, zstd.compress)
    return folder / "disc.chd"


def _whole_hunks(folder: Path, codec: bytes, pack: Pack) -> Path:
    hunks = _frames()
    made = [pack(hunk.tobytes()) for hunk in hunks]
    write_v5(folder / "disc.chd", codec, made, hunks, [cd_block(24)])
    return folder / "disc.chd"


def chd_zlib(folder: Path) -> Path:
    """Deflate over whole hunks."""
    return _whole_hunks(folder, b"zlib", _deflated)


def chd_lzma(folder: Path) -> Path:
    """LZMA over whole hunks."""
    return _whole_hunks(folder, b"lzma", _lzma)


def chd_huff(folder: Path) -> Path:
    """Called Huffman and FLAC, and is neither: what decodes it must find that out."""
    return _whole_hunks(folder, b"huff", lambda data: hashlib.sha512(data).digest() * 9)


def chd_flac(folder: Path) -> Path:
    """As `chd_huff`."""
    return _whole_hunks(folder, b"flac", lambda data: b"L" + hashlib.sha512(data).digest() * 9)


# -- plain -------------------------------------------------------------------------------------


def iso(folder: Path) -> Path:
    """With files in it."""
    (folder / "disc.iso").write_bytes(_content())
    return folder / "disc.iso"


def bin_(folder: Path) -> Path:
    """Raw sectors."""
    (folder / "disc.bin").write_bytes(raw_volume(30).tobytes())
    return folder / "disc.bin"


def bin_mode2(folder: Path) -> Path:
    """Sectors of 2336 bytes."""
    rows = np.zeros((30, 2336), np.uint8)
    rows[:, 8:2056] = volume_sectors(30)
    (folder / "disc.bin").write_bytes(rows.tobytes())
    return folder / "disc.bin"


# -- packed ------------------------------------------------------------------------------------


def _cso(folder: Path, kind: Kind, name: str) -> Path:
    with open_image(iso(folder)) as image:
        run(write_cso(image, folder / name, QUICK, kind))
    (folder / "disc.iso").unlink()
    return folder / name


def cso_1(folder: Path) -> Path:
    """Version 1."""
    return _cso(folder, Kind.CSO1, "disc.cso")


def cso_2(folder: Path) -> Path:
    """Version 2."""
    return _cso(folder, Kind.CSO2, "disc.cso")


def zso(folder: Path) -> Path:
    """LZ4."""
    return _cso(folder, Kind.ZSO, "disc.zso")


def _parts(folder: Path, names: tuple[str, ...], parts: list[bytes]) -> Path:
    for name, data in zip(names, parts, strict=True):
        (folder / name).write_bytes(data)
    return folder / names[0]


def daa(folder: Path) -> Path:
    """In one part."""
    return _parts(folder, ("x.daa",), tables.daa())


def daa_parts(folder: Path) -> Path:
    """In two."""
    return _parts(folder, ("x.daa", "x.d00"), tables.daa(30_000))


def dax_0(folder: Path) -> Path:
    """Version 0."""
    return _parts(folder, ("x.dax",), [tables.dax(0)])


def dax_1(folder: Path) -> Path:
    """Version 1, with frames stored as they are."""
    return _parts(folder, ("x.dax",), [tables.dax(1)])


def dmg(folder: Path) -> Path:
    """Chunks of every kind."""
    return _parts(folder, ("x.dmg",), [tables.dmg()])


def dmg_plain(folder: Path) -> Path:
    """Nothing compressed."""
    return _parts(folder, ("x.dmg",), [tables.dmg((1,))])


def isz(folder: Path) -> Path:
    """In one segment."""
    return _parts(folder, ("x.isz",), tables.isz())


def isz_parts(folder: Path) -> Path:
    """In two."""
    return _parts(folder, ("x.isz", "x.i01"), tables.isz(cut=50_000))


def ecm(folder: Path) -> Path:
    """Sectors of every kind."""
    return _parts(folder, ("x.bin.ecm",), [packed(everything())])


def split(folder: Path) -> Path:
    """An .iso in three parts."""
    data = _content()
    parts = [data[:30_000], data[30_000:60_000], data[60_000:]]
    return _parts(folder, ("x.iso.001", "x.iso.002", "x.iso.003"), parts)


def split_bin(folder: Path) -> Path:
    """Raw sectors in two parts."""
    data = raw_volume(30).tobytes()
    return _parts(folder, ("x.part1", "x.part2"), [data[:40_000], data[40_000:]])


def gz(folder: Path) -> Path:
    """Several members, and zeros behind them."""
    data = _content()
    whole = gzip.compress(data[:30_000]) + gzip.compress(data[30_000:]) + bytes(512)
    return _parts(folder, ("x.iso.gz",), [whole])


def xz(folder: Path) -> Path:
    """One block."""
    return _parts(folder, ("x.iso.xz",), [lzma.compress(_content(), preset=0)])


def xz_blocks(folder: Path) -> Path:
    """Two blocks of one stream, with an index over both."""
    halves = [_content()[:40_000], _content()[40_000:]]
    blocks, records = b"", b""
    for half in halves:
        stream = lzma.compress(half, check=lzma.CHECK_CRC32, preset=0)
        size = (int.from_bytes(stream[-8:-4], "little") + 1) * 4
        blocks += stream[12 : -12 - size]
        index = stream[-12 - size : -12]
        records += index[2:-4].rstrip(b"\0")
        head, flags = stream[:12], stream[6:8]
    index = b"\0\2" + records
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    foot = struct.pack("<I", len(index) // 4 - 1) + flags
    foot = zlib.crc32(foot).to_bytes(4, "little") + foot + b"YZ"
    return _parts(folder, ("x.iso.xz",), [head + blocks + index + foot])


def zst(folder: Path) -> Path:
    """Two frames."""
    data = _content()
    return _parts(
        folder, ("x.iso.zst",), [zstd.compress(data[:50_000]) + zstd.compress(data[50_000:])]
    )


def bz2_(folder: Path) -> Path:
    """Two streams."""
    data = _content()
    return _parts(
        folder, ("x.iso.bz2",), [bz2.compress(data[:50_000]) + bz2.compress(data[50_000:])]
    )


def nested(folder: Path) -> Path:
    """A bin of ECM in gzip in two parts."""
    data = gzip.compress(packed(everything()))
    return _parts(folder, ("x.bin.ecm.gz.001", "x.bin.ecm.gz.002"), [data[:9000], data[9000:]])


def cue_packed(folder: Path) -> Path:
    """A sheet over a packed bin."""
    (folder / "x.bin.gz").write_bytes(gzip.compress(raw_volume(24).tobytes()))
    sheet = 'FILE "x.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'
    (folder / "x.cue").write_text(sheet)
    return folder / "x.cue"
