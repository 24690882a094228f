# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.cdtext import PACK, CdText, PackType, Text, build, pack_crc

_WORDS = st.text(
    st.characters(codec="iso-8859-1", exclude_categories=("Cc",)), min_size=1, max_size=60
)


@given(
    st.dictionaries(st.integers(0, 9), _WORDS, min_size=1),
    st.dictionaries(st.integers(0, 9), _WORDS),
)
def test_texts_come_back_from_their_packs(titles: dict[int, str], names: dict[int, str]) -> None:
    texts = [Text(0, PackType.TITLE, track, value) for track, value in titles.items()]
    texts += [Text(0, PackType.PERFORMER, track, value) for track, value in names.items()]
    made = build(texts, tracks=9)
    assert made.bad_packs() == ()
    assert sorted(made.texts(), key=repr) == sorted(texts, key=repr)


def test_a_pack_has_the_layout_of_the_standard() -> None:
    made = build([Text(0, PackType.TITLE, 0, "A disc with a long title")], tracks=1)
    first, second = made.packs[:PACK], made.packs[PACK : 2 * PACK]
    assert first[:4] == bytes((0x80, 0, 0, 0))
    assert first[4:16] == b"A disc with "
    assert second[:4] == bytes((0x80, 0, 1, 12))
    sizes = made.packs[-3 * PACK :]
    assert [sizes[at] for at in range(0, 3 * PACK, PACK)] == [0x8F] * 3
    assert sizes[4:7] == bytes((0, 1, 1))
    assert sizes[8] == 3  # packs of titles: 25 + 1 bytes


def test_the_crc_is_the_inverted_ccitt_of_a_known_pack() -> None:
    head = bytes.fromhex("80000000") + b"ABCDEFGHIJKL"
    crc = 0
    for byte in head:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    assert pack_crc(head) == (crc ^ 0xFFFF).to_bytes(2, "big")


def test_a_damaged_pack_is_named() -> None:
    packs = bytearray(build([Text(0, PackType.TITLE, 0, "x" * 30)], tracks=1).packs)
    packs[PACK + 5] ^= 1
    assert CdText(bytes(packs)).bad_packs() == (1,)


def test_a_tab_repeats_the_text_of_the_track_before() -> None:
    made = build(
        [
            Text(0, PackType.PERFORMER, 1, "Them"),
            Text(0, PackType.PERFORMER, 2, "\t"),
            Text(0, PackType.PERFORMER, 3, "Others"),
        ],
        tracks=3,
    )
    assert [made.get(PackType.PERFORMER, track) for track in (1, 2, 3)] == [
        "Them",
        "Them",
        "Others",
    ]


def test_what_is_not_a_number_of_packs_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number of packs"):
        CdText(bytes(17))


@given(st.binary(max_size=40 * PACK).map(lambda raw: raw[: len(raw) // PACK * PACK]))
def test_any_packs_are_decoded_without_a_crash(packs: bytes) -> None:
    CdText(packs).texts()


@given(first=st.integers(1, 97), disc=st.booleans())
def test_the_first_text_of_a_track_is_that_of_the_first_track(first: int, disc: bool) -> None:
    texts = [Text(0, PackType.TITLE, first, "a"), Text(0, PackType.TITLE, first + 1, "b")]
    if disc:
        texts.insert(0, Text(0, PackType.TITLE, 0, "all"))
    assert build(texts, 3, first).texts() == tuple(texts)
