# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.kernel.inside.lanes FOLDER [PYTEST ARGUMENTS]``: all tests, in lanes.

In one lane are the tests of drives that the daemon leaves alone, in another those of the daemon;
what concerns every drive of the machine comes after both. A lane is a pytest of its own, forked
from this process when all is loaded, which in the guest takes twenty seconds. Its exit code is
also left in FOLDER.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.inside import images, service

TOGETHER = (("attach", "clients"), ("service", "cycles"))
AFTERWARDS = (("last",),)
HERE = Path(__file__).parent

_LOADED = (images, service)
_OPTIONS = ["-Wignore:Module already imported:pytest.PytestAssertRewriteWarning"]


def main(folder: Path, arguments: list[str]) -> int:
    """Run them; 0 if every lane passed."""
    codes = []
    for lanes in (TOGETHER, AFTERWARDS):
        for name, lane in [(lane[0], Lane(lane, arguments)) for lane in lanes]:
            codes.append(lane.wait())
            (folder / f"exit-{name}").write_text(f"{codes[-1]}\n")
    return max(map(abs, codes))


class Lane:
    """A running pytest, whose lines are whole and say whose they are."""

    def __init__(self, names: tuple[str, ...], arguments: list[str]) -> None:
        files = [str(HERE / f"test_{name}.py") for name in names]
        words = ["sed", "-u", f"s/^/{names[0]:8}/"]
        self._prefix = subprocess.Popen(words, stdin=subprocess.PIPE)
        self._pid = os.fork()
        assert self._prefix.stdin is not None
        if not self._pid:
            os.dup2(self._prefix.stdin.fileno(), 1)
            os.dup2(self._prefix.stdin.fileno(), 2)
            code = pytest.main([*_OPTIONS, *arguments, *files])
            sys.stdout.flush()
            os._exit(code)
        self._prefix.stdin.close()

    def wait(self) -> int:
        """Its exit code, minus the signal that killed it."""
        _, status = os.waitpid(self._pid, 0)
        self._prefix.wait()
        return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
