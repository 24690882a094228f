# SPDX-License-Identifier: Apache-2.0
"""An input: which file of a specimen is changed, and into what; a seed and a number say it all."""

from __future__ import annotations

from random import Random

from tests.fuzz.corpora import MAKERS, Content, Specimen, names, specimen
from tests.fuzz.mend import mended
from tests.fuzz.mutate import Sweep, changed, is_text

_SMALL = 8 << 10
_LARGE = 1 << 20  # bytes of a file that is never changed


def made(of: Specimen, seed: int, number: int) -> dict[str, Content]:
    """The files that are changed in input `number`; all but always one."""
    random = Random(f"{of.group}/{of.name}/{seed}/{number}")
    names_, weights = zip(*_weights(of).items(), strict=True)
    result = {}
    for name in random.choices(names_, weights, k=random.choice((1, 1, 1, 1, 1, 2))):
        content = of.files[name]
        data = content.data
        if number % 2 == 0 and not is_text(data):
            data = Sweep(data)[seed * 7919 + number // 2]
        else:
            data = changed(data, random, _others(of, random))
        if random.random() < 0.6:
            data = mended(data)
        result[name] = Content(data, content.hole)
    return result


def _weights(of: Specimen) -> dict[str, int]:
    """Descriptions more often than sectors."""
    return {
        name: 8 if name == of.main else 4 if len(content.data) < _SMALL else 1
        for name, content in of.files.items()
        if len(content.data) < _LARGE
    }


def _others(of: Specimen, random: Random) -> list[bytes]:
    """Files to take pieces from: of the same reader mostly, of any now and then."""
    group = of.group if random.random() < 0.8 else random.choice(sorted(MAKERS))
    other = specimen(group, random.choice(names(group)))
    return [c.data for c in (*of.files.values(), *other.files.values()) if len(c.data) < _LARGE]
