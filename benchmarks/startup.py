# SPDX-License-Identifier: Apache-2.0
"""How long it takes until imagerctl says something."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.table import Row, best, command
from benchmarks.verbs import IMAGERCTL


def rows() -> Iterator[Row]:
    """Help at once."""
    times = best(
        {
            "help": command(IMAGERCTL, "--help"),
            "python": command(sys.executable, "-c", "pass"),
            "click": command(sys.executable, "-c", "import click"),
        },
        rounds=15,
    )
    ours = times["help"]
    yield Row("imagerctl --help", f"{1000 * ours:.0f} ms", target="< 120 ms", reached=ours < 0.120)
    yield Row("", "", f"python -c pass {1000 * times['python']:.0f} ms", times["python"] / ours)
    yield Row("", "", f"import click {1000 * times['click']:.0f} ms", times["click"] / ours)
