# SPDX-License-Identifier: Apache-2.0
"""Protections in the Q subchannel: frames that were made wrong, told from frames that read badly.

The marks of such frames are in `imagerd.recovery.oddq`; here are the numbers and places by which
each protection is known. Nothing of this is ever repaired in what is kept.
"""

from __future__ import annotations

from imagerd.disc.layout import TrackMode
from imagerd.recovery.oddq import Made, made_wrong
from imagerd.recovery.protection.facts import Channel, Confidence, Facts, Finding

# Sectors that carry the key's sixteen bits, highest first: in minute 3, and again in minute 9. The
# same change is repeated five sectors on.
_MINUTE_3 = (
    13955, 14081, 14335, 14429, 14499, 14749, 14906, 14980,
    15092, 15162, 15228, 15478, 15769, 15881, 15951, 16017,
)  # fmt: skip
_MINUTE_9 = (
    41895, 42016, 42282, 42430, 42521, 42663, 42862, 43027,
    43139, 43204, 43258, 43484, 43813, 43904, 44009, 44162,
)  # fmt: skip
_ECHO = 5
_BITS_SET = 8  # of sixteen, on every disc that is known
_ENOUGH = 8  # made frames below which nothing is said
_SEQUENCE = 8  # frames of another place in a row, in SecuROM 1 and 2
_SECUROM = {216: "1", 90: "2", 98: "3", 10: "4"}
_FILES = ("CMS16.DLL", "CMS_95.DLL", "CMS_NT.DLL", "CMS32_95.DLL", "CMS32_NT.DLL")
_SECTIONS = (".cms_t", ".cms_d")


def libcrypt(facts: Facts) -> Finding | None:
    """LibCrypt of PlayStation discs: pairs of frames at known addresses."""
    if not facts.layout.is_cd or facts.layout.tracks[0].mode is not TrackMode.MODE2:
        return None
    made = {odd.lba for odd in facts.odd_q if made_wrong(odd, facts.layout) is not Made.OTHER}
    first, second = _pairs(made, _MINUTE_3), _pairs(made, _MINUTE_9)
    if len(first) < _BITS_SET - 2:
        return None
    key = "".join("1" if bit in first else "0" for bit in range(16))
    own = [_MINUTE_3[bit] for bit in first] + [_MINUTE_9[bit] for bit in second]
    sectors = sorted(lba + echo for lba in own for echo in (0, _ECHO))
    whole = len(first) == _BITS_SET and second in ((), first)
    evidence = (
        f"{len(sectors)} sectors have a Q whose CRC was made wrong, in pairs five sectors apart,"
        f" the first at LBA {sectors[0]}: the bits {key}.",
        "Eight of sixteen bits are set, as on every disc that is known."
        if whole
        else f"{len(first)} bits are readable; eight would be set.",
    )
    basis = (
        "Addresses and changes as redump.org documents them and redumper checks them; over a"
        " hundred discs are known."
    )
    sure = Confidence.CERTAIN if whole else Confidence.LIKELY
    expected = tuple(range(lba, lba + 1) for lba in sectors)
    return Finding("LibCrypt", sure, evidence, basis, expected, Channel.Q)


def _pairs(made: set[int], addresses: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(bit for bit, lba in enumerate(addresses) if lba in made and lba + _ECHO in made)


def securom(facts: Facts) -> Finding | None:
    """SecuROM up to 4: so many frames made wrong; or its files and sections alone."""
    evidence = [f"There is a file {f.path}." for name in _FILES for f in facts.files.named(name)]
    evidence += [
        f"{path} has a section {name}."
        for path, sections in facts.programs
        for name in _SECTIONS
        if name in sections
    ]
    del evidence[5:]
    basis = (
        "How many frames, and how they are made, as redumper and DiscImageCreator have it; files"
        " and sections as BinaryObjectScanner and DiscImageCreator have them."
    )
    made = _securom_frames(facts)
    if len(made) >= _ENOUGH and facts.layout.tracks[0].mode is not TrackMode.MODE2:
        version = _SECUROM.get(len(made))
        evidence.insert(0, f"{len(made)} sectors have a Q that was made wrong, the first at LBA"
                           f" {made[0]}.")  # fmt: skip
        name = f"SecuROM {version}" if version else "SecuROM"
        sure = Confidence.CERTAIN if version else Confidence.LIKELY
        expected = tuple(range(lba, lba + 1) for lba in made)
        return Finding(name, sure, tuple(evidence), basis, expected, Channel.Q)
    if evidence:
        return Finding("SecuROM", Confidence.LIKELY, tuple(evidence), basis)
    return None


def _securom_frames(facts: Facts) -> list[int]:
    """Frames with the two bits turned; sequences of eight from elsewhere, and what ends each.

    A frame with one bit turned counts behind such a sequence only: single bits turn by themselves.
    """
    made: list[int] = []
    row: list[int] = []
    for odd in facts.odd_q:
        if odd.crc_ok:
            row = [*row, odd.lba] if row and row[-1] + 1 == odd.lba else [odd.lba]
            continue
        mark = made_wrong(odd, facts.layout)
        follows = len(row) == _SEQUENCE and row[-1] + 1 == odd.lba
        ends_row = follows and mark is not Made.OTHER
        if ends_row:
            made += row
        if mark is Made.KEPT or ends_row:
            made.append(odd.lba)
        row = []
    return made
