# SPDX-License-Identifier: Apache-2.0
"""Letters of 5 × 7 dots, as on the displays of old drives: for pictures without a font."""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt

HEIGHT = 8  # rows, the descenders' included
_ADVANCE = 6

# Of each sign from space to ~ five columns in hexadecimal, the topmost dot in the lowest bit.
_COLUMNS = """
0000000000 00005F0000 0007000700 147F147F14 242A7F2A12 2313086462 3649562050 0000070000
001C224100 0041221C00 2A1C7F1C2A 08083E0808 0050300000 0808080808 0060600000 2010080402
3E5149453E 00427F4000 7249494946 2141494D33 1814127F10 2745454539 3C4A494931 4121110907
3649494936 464949291E 0036360000 0056360000 0814224100 1414141414 0041221408 0201590906
3E415D594E 7E1111117E 7F49494936 3E41414122 7F4141413E 7F49494941 7F09090901 3E41415173
7F0808087F 00417F4100 2040413F01 7F08142241 7F40404040 7F020C027F 7F0408107F 3E4141413E
7F09090906 3E4151215E 7F09192946 2649494932 01017F0101 3F4040403F 1F2040201F 3F4038403F
6314081463 0304780403 6159494D43 007F414141 0204081020 004141417F 0402010204 4040404040
0001020400 2054547840 7F28444438 3844444428 384444287F 3854545418 00087E0902 18A4A49C78
7F08040478 00447D4000 2040403D00 7F10284400 00417F4000 7C04780478 7C08040478 3844444438
FC18242418 18242418FC 7C08040408 4854545424 04043F4424 3C4040207C 1C2040201C 3C4030403C
4428102844 4C9090907C 4464544C44 0008364100 0000770000 0041360800 0201020402
"""
_DOTS = np.array(
    [list(bytes.fromhex(columns)) for columns in _COLUMNS.split()], np.uint8
)  # (95, 5)
_PLAIN = str.maketrans({"–": "-", "—": "-", "×": "x", "\N{NARROW NO-BREAK SPACE}": " "})


def lettered(text: str, scale: int = 1) -> npt.NDArray[np.bool_]:
    """(8 · scale, 6 · scale · signs): where the dots of `text` are.

    Accents are dropped; signs that are not there show as a question mark.
    """
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    signs = [sign for sign in plain if not unicodedata.combining(sign)]
    codes = [ord(sign) - 32 if " " <= sign <= "~" else ord("?") - 32 for sign in signs]
    columns = np.zeros((len(codes), _ADVANCE), np.uint8)
    columns[:, :5] = _DOTS[codes]
    rows = (columns.reshape(1, -1) >> np.arange(HEIGHT)[:, None]) & 1
    result: npt.NDArray[np.bool_] = rows.repeat(scale, 0).repeat(scale, 1).astype(np.bool_)
    return result


def width(text: str, scale: int = 1) -> int:
    """Pixels that `text` takes."""
    return int(lettered(text, scale).shape[1])
