# SPDX-License-Identifier: Apache-2.0
"""Images of DAEMON Tools, made by hand, enciphered by openssl: read, packed, refused, hostile."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Index, Medium, SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.formats import identify, open_image
from imagerd.formats.mds.aes import decipher
from imagerd.formats.mds.descriptor import password
from imagerd.sectors.edc import edc
from tests.discs_formats import noise, raw_volume, read_all, volume_sectors
from tests.judges import judge
from tests.sheets import opens_or_is_refused

SALT = bytes(range(7, 71))
PREFIX = b"MEDIA DESCRIPTOR\2\1"


@cache
def by_openssl(key: bytes, vector: bytes, plain: bytes, mode: str = "cbc") -> bytes:
    """Enciphered by somebody else's AES-256."""
    command = [judge("openssl"), "enc", f"-aes-256-{mode}", "-nopad", "-K", key.hex()]
    command += ["-iv", vector.hex()] if mode == "cbc" else []
    return subprocess.run(command, input=plain, capture_output=True, check=True).stdout


def whitened(keys: bytes, plain: bytes) -> bytes:
    done = by_openssl(keys[32:64], keys[:16], plain)
    return bytes(byte ^ keys[8 + at % 8] for at, byte in enumerate(done))


def enciphered(descriptor: bytes) -> tuple[bytes, bytes]:
    """A description as it lies in the file, and its key."""
    keys = hashlib.sha512(b"keys").digest() * 4
    packed = zlib.compress(descriptor)
    padded = packed + bytes(-len(packed) % 16)
    data = b"".join(whitened(keys, padded[at : at + 512]) for at in range(0, len(padded), 512))
    head = struct.pack("<I4sHHI", zlib.crc32(keys), b"EURT", 1, 256, 0) + keys
    head += struct.pack("<II", len(packed), len(descriptor))
    derived = hashlib.pbkdf2_hmac("ripemd160", password(SALT), SALT, 2000, 64)
    return data, SALT + whitened(derived, head.ljust(448, b"\0"))


@dataclass(frozen=True)
class Song:
    """A track of the image: `before` sectors of its pregap are in the file."""

    mode: int
    one: int
    length: int
    rows: Bytes2D
    pregap: int = 150
    before: int = 0
    group: int = 0


def groups(rows: Bytes2D, group: int) -> tuple[bytes, int]:
    """The rows in groups, and where the table is."""
    body, table = b"", []
    for at in range(0, len(rows), group):
        piece = rows[at : at + group].tobytes()
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(piece) + packer.flush()
        if not piece.strip(piece[:1]):
            table.append(0x8000 | piece[0])
        elif len(packed) < min(len(piece), 0x8000):
            table.append(len(packed))
            body += packed
        else:
            table.append(0)
            body += piece
    return body + zlib.compress(struct.pack(f"<{len(table)}H", *table)), len(body)


def made(
    folder: Path, songs: list[Song], *, mdx: bool = True, dvd: bool = False, key: int = 0,
    name: bytes = b"*.mdf\0",
) -> Path:  # fmt: skip
    """A .mdx, or a .mds with its .mdf."""
    count = len(songs) + 1
    points, extras, footers, data = b"", b"", b"", b""
    first = 96 + 32
    extra_at = first + 80 * count
    footer_at = extra_at + 8 * len(songs)
    name_at = footer_at + 32 * len(songs)
    end = songs[-1].one + songs[-1].length
    base = 64 if mdx else 0
    for number, song in enumerate(songs, 1):
        minute, rest = divmod(song.one + 150, 4500)
        body, table = groups(song.rows, song.group) if song.group else (song.rows.tobytes(), 0)
        size = song.rows.shape[1]
        row = bytes((song.mode, 0, 0x14 if song.mode != 1 else 0x10, 0, number, 0, 0, 0, 0))
        row += bytes((minute, rest // 75, rest % 75))
        row += struct.pack("<IH", 0 if dvd else extra_at + len(extras), min(size, 2352)).ljust(24)
        row = row.ljust(36, b"\0") + struct.pack(
            "<iQII", song.one, base + len(data), 1, footer_at + len(footers)
        )
        row += struct.pack("<QQ", song.one - song.before, song.length if dvd else 0)
        points += row.ljust(80, b"\0")
        extras += struct.pack("<II", song.pregap, song.length)
        footers += struct.pack(
            "<IB7xIQQ", 0 if mdx else name_at, int(bool(song.group)), song.group,
            len(song.rows), table,
        )  # fmt: skip
        data += body
    out = divmod(end + 150, 4500)
    last = bytes((0, 0, 0x14, 0, 0xA2, 0, 0, 0, 0, out[0], out[1] // 75, out[1] % 75))
    points += last.ljust(80, b"\0")
    head = struct.pack("<HH", 3 if dvd else 0, 1).ljust(62, b"\0") + struct.pack(
        "<IIII", 96, 0, key, 0
    )
    session = struct.pack("<qHBBHHIIq", -150, 1, count, 1, 1, len(songs), 0, first, end)
    descriptor = head + session + points + extras + footers + name
    packed, own = enciphered(descriptor)
    front = PREFIX + b"(C) somebody".ljust(26, b"\0")
    path = folder / ("x.mdx" if mdx else "x.mds")
    if mdx:
        at = 64 + len(data)
        front += struct.pack("<IQQ", 0xFFFFFFFF, at, len(packed) + 64)
        path.write_bytes(front + data + packed + own)
    else:
        path.write_bytes(front + struct.pack("<I", 48 + len(packed)) + packed + own)
        (folder / "x.mdf").write_bytes(data)
    return path


def mixed(group: int = 0, before: int = 0) -> list[Song]:
    music = noise(60 + before, 2352, 4)
    music[20:40] = 0
    return [
        Song(0xFA, 0, 90, raw_volume(90), group=group),
        Song(0xF9, 240, 60, music, before=before, group=group),
    ]


@pytest.mark.parametrize("mdx", [False, True])
@pytest.mark.parametrize("group", [0, 1, 7, 32])
@pytest.mark.parametrize("before", [0, 150])
def test_tracks_are_read_packed_or_not(tmp_path: Path, mdx: bool, group: int, before: int) -> None:
    songs = mixed(group, before)
    path = made(tmp_path, songs, mdx=mdx)
    assert identify(path).value == "mdx"
    image = open_image(path)
    try:
        assert image.warnings == ()
        first, second = image.layout.tracks
        assert (first.mode, first.stored, first.end) == (TrackMode.MODE1, SectorFormat.RAW, 90)
        assert second.indexes == (Index(0, 90), Index(1, 240))
        assert (second.end, second.pregap_virtual) == (300, 150 - before)
        assert np.array_equal(read_all(image, range(90)), songs[0].rows)
        assert np.array_equal(read_all(image, range(240 - before, 300)), songs[1].rows)
        assert [file.name for file in image.files] == (["x.mdx"] if mdx else ["x.mds", "x.mdf"])
    finally:
        image.close()


@pytest.mark.parametrize("group", [0, 16])
def test_a_dvd_is_read_as_one(tmp_path: Path, group: int) -> None:
    blocks = volume_sectors(50)
    path = made(tmp_path, [Song(0x02, 0, 50, blocks, group=group)], dvd=True)
    image = open_image(path)
    try:
        assert image.layout.medium is Medium.DVD
        assert np.array_equal(image.read(0, 50).data, blocks)
    finally:
        image.close()


def test_subchannel_behind_the_sectors_is_found_by_their_room(tmp_path: Path) -> None:
    rows = np.hstack((raw_volume(30), noise(30, 96, 5)))
    image = open_image(made(tmp_path, [Song(0xFA, 0, 30, rows)]))
    try:
        assert image.layout.tracks[0].stored is SectorFormat.RAW_SUB
        block = image.read(3, 2)
        assert block.sub is not None
        assert np.array_equal(block.sub, rows[3:5, 2352:])
    finally:
        image.close()


def test_encrypted_data_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="encrypted, which is not read; mount it with its password"):
        open_image(made(tmp_path, mixed(), key=500))


@pytest.mark.parametrize("name", [b"other.mdf\0", "other.mdf\0".encode("utf-16-le")])
def test_a_mds_may_name_its_file(tmp_path: Path, name: bytes) -> None:
    path = made(tmp_path, mixed(), mdx=False, name=name)
    (tmp_path / "x.mdf").rename(tmp_path / "other.mdf")
    image = open_image(path)
    assert [file.name for file in image.files] == ["x.mds", "other.mdf"]
    image.close()
    (tmp_path / "other.mdf").unlink()
    with pytest.raises(BadInput, match="put it beside it"):
        open_image(path)


def test_the_cipher_is_that_of_fips_197() -> None:
    key = bytes(range(32))
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    packed = bytes.fromhex("8ea2b7ca516745bfeafc49904b496089")
    assert decipher(key, np.frombuffer(packed, np.uint8).reshape(1, 16)).tobytes() == plain


@settings(max_examples=10, deadline=None)
@given(key=st.binary(min_size=32, max_size=32), plain=st.binary(min_size=64, max_size=64))
def test_what_openssl_enciphers_is_deciphered(key: bytes, plain: bytes) -> None:
    packed = by_openssl(key, b"", plain, "ecb")
    assert decipher(key, np.frombuffer(packed, np.uint8).reshape(4, 16)).tobytes() == plain


def test_the_password_follows_from_the_salt_and_has_no_zeros() -> None:
    found = password(SALT)
    assert len(found) == 64
    assert b"\0" not in found
    turned = (edc(SALT) ^ 0x567372FF) * 0x35E85A6D + 0x1548DCE9 & 0xFFFFFFFF
    first = int.from_bytes(SALT[:4], "little") ^ turned ^ 0xEC564717
    assert found[:4] == first.to_bytes(4, "little").replace(b"\0", b"\x5f")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("mdx")
    return made(folder, mixed(7)).read_bytes()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_is_an_image_or_a_sentence(
    tmp_path: Path, whole: bytes, data: st.DataObject
) -> None:
    hurt = bytearray(whole)
    head, tail = st.integers(0, 63), st.integers(len(whole) - 1500, len(whole) - 1)
    for at in data.draw(st.lists(head | tail | st.integers(64, len(whole) - 1), max_size=4)):
        hurt[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.mdx"
    path.write_bytes(hurt[: data.draw(st.just(len(hurt)) | st.integers(16, len(hurt)))])
    opens_or_is_refused(path)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_description_is_an_image_or_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """The description is behind a check: damage comes after it here."""
    from imagerd.formats.mds import mdx

    path = made(tmp_path, mixed(data.draw(st.sampled_from([0, 7]))))
    real = mdx.read_descriptor

    def hurt(file: object) -> tuple[bytes, int | None]:
        body, end = real(file)  # type: ignore[arg-type]
        changed = bytearray(body)
        for at in data.draw(st.lists(st.integers(18, len(body) - 1), max_size=3)):
            changed[at] = data.draw(st.integers(0, 255))
        return bytes(changed[: data.draw(st.just(len(body)) | st.integers(18, len(body)))]), end

    with monkeypatch.context() as patch:
        patch.setattr(mdx, "read_descriptor", hurt)
        opens_or_is_refused(path)
