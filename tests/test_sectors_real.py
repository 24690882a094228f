# SPDX-License-Identifier: Apache-2.0
"""Single sectors of real discs, whose file names say what is right and wrong with each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imagerd.disc.msf import Msf
from imagerd.disc.source import Bytes2D
from imagerd.sectors import parity
from imagerd.sectors.correct import correct
from imagerd.sectors.edc import FORM1_RANGE, FORM2_RANGE, MODE1_RANGE, write_edc
from imagerd.sectors.verify import EdcState, SectorKind, check, check_data

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "sectors"
M1, F1, F2 = SectorKind.MODE1, SectorKind.MODE2_FORM1, SectorKind.MODE2_FORM2
GOOD, WRONG, ABSENT = EdcState.GOOD, EdcState.WRONG, EdcState.NOT_COMPUTED

# name: LBA, kind, sync right, EDC, P right, Q right
KNOWN = {
    "cdi_0_sector17_valid_sync_valid_mode2_form1": (17, F1, True, GOOD, True, True),
    "cdi_1_sector17_invalid_sync_valid_mode2_form1": (17, F1, False, GOOD, True, True),
    "cdi_2_sector17_invalid_sync_valid_mode2_form1_edc_error": (17, F1, False, WRONG, False, False),
    "cdi_3_sector17_invalid_sync_valid_mode2_form1_ecc_p_error": (17, F1, False, GOOD, False, True),
    "cdi_4_sector17_invalid_sync_valid_mode2_form1_ecc_q_error": (17, F1, False, GOOD, True, False),
    "cdi_5_sector17_invalid_sync_valid_mode2_form1_ecc_pq_error": (
        17,
        F1,
        False,
        GOOD,
        False,
        False,
    ),
    "fmt_0_sector202347_valid_sync_valid_mode1_truncated": (202347, M1, True, WRONG, False, False),
    "ibmpc_0_sector0_valid_sync_valid_mode1": (0, M1, True, GOOD, True, True),
    # nothing but the sync is damaged, and the EDC of mode 1 covers it
    "ibmpc_1_sector0_invalid_sync_valid_mode1": (0, M1, False, WRONG, True, True),
    "ibmpc_2_sector0_invalid_sync_valid_mode1_modified_edc_ecc": (0, M1, False, GOOD, True, True),
    "ibmpc_3_sector0_invalid_sync_valid_mode1_edc_error": (0, M1, False, WRONG, False, False),
    "ibmpc_4_sector0_invalid_sync_valid_mode1_ecc_p_error": (0, M1, False, GOOD, False, True),
    "ibmpc_5_sector0_invalid_sync_valid_mode1_ecc_q_error": (0, M1, False, GOOD, True, False),
    "ibmpc_6_sector0_invalid_sync_valid_mode1_ecc_pq_error": (0, M1, False, GOOD, False, False),
    "psx_0_sector12_valid_sync_valid_mode2_form2_with_edc": (12, F2, True, GOOD, True, True),
    "psx_1_sector12_invalid_sync_valid_mode2_form2_with_edc": (12, F2, False, GOOD, True, True),
    "psx_2_sector12_invalid_sync_valid_mode2_form2_edc_error": (12, F2, False, WRONG, True, True),
    "psx_3_sector12_valid_sync_valid_mode2_form2_no_edc": (12, F2, True, ABSENT, True, True),
    "psx_4_sector12_invalid_sync_valid_mode2_form2_no_edc": (12, F2, False, ABSENT, True, True),
    # an empty form 1 sector: its EDC of 0 is the right one
    "psx_5_sector151739_valid_sync_valid_mode2_form1_no_edc": (151739, F1, True, GOOD, True, True),
    "psx_6_sector151740_valid_sync_valid_mode2_form1_no_edc_ecc_pq_error": (
        151740,
        F1,
        True,
        GOOD,
        False,
        False,
    ),
}


def sector(name: str) -> Bytes2D:
    path = FOLDER / f"{name}.bin"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return np.fromfile(path, np.uint8).reshape(1, 2352)


def test_all_sectors_of_the_folder_are_known() -> None:
    if not FOLDER.exists():
        pytest.skip(f"{FOLDER} is not here")
    assert {path.stem for path in FOLDER.glob("*_sector*.bin")} == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_a_real_sector_is_what_its_name_says(name: str) -> None:
    raw = sector(name)
    lba, kind, sync, edc, p_ok, q_ok = KNOWN[name]
    found = check_data(raw, lba)
    assert found.kind[0] == kind
    assert found.header_ok[0]
    assert bool(found.sync_ok[0]) is sync
    assert found.edc[0] == edc
    assert (bool(found.p_ok[0]), bool(found.q_ok[0])) == (p_ok, q_ok)
    assert bool(found.wrong[0]) is (not sync or edc == WRONG)


@pytest.mark.parametrize("name", KNOWN)
def test_a_real_sector_is_where_its_header_says(name: str) -> None:
    raw = sector(name)
    assert Msf.from_bcd(raw[0, 12:15].tobytes()).program_lba == KNOWN[name][0]
    assert not check_data(raw, KNOWN[name][0] + 1).header_ok[0]


@pytest.mark.parametrize("name", KNOWN)
def test_without_a_sync_nothing_is_data_unless_the_track_says_so(name: str) -> None:
    expected = KNOWN[name][1] if KNOWN[name][2] else SectorKind.AUDIO
    assert check(sector(name)).kind[0] == expected


@pytest.mark.parametrize(
    ("name", "proven"),
    [
        ("cdi_0_sector17_valid_sync_valid_mode2_form1", True),
        ("ibmpc_0_sector0_valid_sync_valid_mode1", True),
        ("psx_0_sector12_valid_sync_valid_mode2_form2_with_edc", True),
        ("psx_3_sector12_valid_sync_valid_mode2_form2_no_edc", False),
        ("psx_5_sector151739_valid_sync_valid_mode2_form1_no_edc", True),
        # an EDC of 0 over zeros proves nothing when parity does not agree
        ("psx_6_sector151740_valid_sync_valid_mode2_form1_no_edc_ecc_pq_error", False),
        ("cdi_1_sector17_invalid_sync_valid_mode2_form1", False),
    ],
)
def test_only_what_proves_itself_is_proven(name: str, proven: bool) -> None:
    raw = sector(name)
    assert bool(check_data(raw, KNOWN[name][0]).proven[0]) is proven
    assert bool(check_data(raw, KNOWN[name][0], parity=False).proven[0]) is proven


@pytest.mark.parametrize(
    "name",
    [
        "ibmpc_0_sector0_valid_sync_valid_mode1",
        "cdi_0_sector17_valid_sync_valid_mode2_form1",
        "psx_5_sector151739_valid_sync_valid_mode2_form1_no_edc",
    ],
)
def test_generated_edc_and_parity_are_those_of_the_real_sector(name: str) -> None:
    raw = sector(name)
    mode2 = KNOWN[name][1] == F1
    made = raw.copy()
    made[:, 2076:] = 0xA5
    at = 2072 if mode2 else 2064
    made[:, at : at + 4] = 0xA5
    write_edc(made, FORM1_RANGE if mode2 else MODE1_RANGE)
    parity.generate(made, mode2=mode2)
    assert np.array_equal(made, raw)


def test_generated_form2_edc_is_that_of_the_real_sector() -> None:
    raw = sector("psx_0_sector12_valid_sync_valid_mode2_form2_with_edc")
    made = raw.copy()
    made[:, 2348:] = 0
    write_edc(made, FORM2_RANGE)
    assert np.array_equal(made, raw)


@pytest.mark.parametrize(
    ("damaged", "right"),
    [
        ("ibmpc_1_sector0_invalid_sync_valid_mode1", "ibmpc_0_sector0_valid_sync_valid_mode1"),
        *(
            (name, "cdi_0_sector17_valid_sync_valid_mode2_form1")
            for name in KNOWN
            if name.startswith("cdi_") and "ecc_p_" not in name
        ),
        (
            "psx_1_sector12_invalid_sync_valid_mode2_form2_with_edc",
            "psx_0_sector12_valid_sync_valid_mode2_form2_with_edc",
        ),
    ],
)
def test_a_damaged_real_sector_becomes_the_right_one(damaged: str, right: str) -> None:
    raw = sector(damaged)
    found = correct(raw[0], lba=KNOWN[damaged][0])
    assert found is not None
    assert found.data == sector(right).tobytes()
    assert found.parity_ok
    expected = np.flatnonzero(raw[0] != np.frombuffer(found.data, np.uint8))
    assert found.changed == tuple(expected.tolist())


@pytest.mark.parametrize(
    "name",
    [
        "fmt_0_sector202347_valid_sync_valid_mode1_truncated",
        # form 2 has no parity; its sector must not be bent into an empty form 1 sector
        "psx_2_sector12_invalid_sync_valid_mode2_form2_edc_error",
        "psx_4_sector12_invalid_sync_valid_mode2_form2_no_edc",
        # the EDC was made to match the damaged sync: with the sync restored it does not
        "ibmpc_2_sector0_invalid_sync_valid_mode1_modified_edc_ecc",
    ],
)
def test_what_cannot_be_proven_is_not_corrected(name: str) -> None:
    assert correct(sector(name)[0], lba=KNOWN[name][0]) is None


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("psx_6_sector151740_valid_sync_valid_mode2_form1_no_edc_ecc_pq_error", ()),
        # its Q was computed over the wrong P: the two codes contradict each other
        ("cdi_3_sector17_invalid_sync_valid_mode2_form1_ecc_p_error", (2,)),
    ],
)
def test_parity_that_was_mastered_wrong_is_left_and_said(
    name: str, changed: tuple[int, ...]
) -> None:
    found = correct(sector(name)[0], lba=KNOWN[name][0])
    assert found is not None
    assert found.changed == changed
    assert not found.parity_ok
