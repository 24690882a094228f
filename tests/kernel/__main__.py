# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.kernel [PYTEST ARGUMENTS]``: run the tests of `inside/` in the guest.

``--large`` runs the one that is in no lane, for half an hour, in 16 GiB of memory.
"""

from __future__ import annotations

import compileall
import os
import shlex
import sys

from tests.kernel.guest import RESULTS_IN_GUEST, ROOT, NoGuest, find_kernel, run

RESULTS = ROOT / "build" / "kernel"
TIMEOUT = 1500.0
INSIDE = "tests/kernel/inside"
LARGE = "film"


def main() -> int:
    """Boot, test, and return pytest's exit code. Without QEMU: a word why, and no failure."""
    try:
        kernel = find_kernel()
    except NoGuest as missing:
        sys.stderr.write(f"The kernel tests are skipped: {missing}\n")
        return 1 if os.environ.get("CI") == "true" else 0
    for package in ("imagerd", "tests"):  # the guest would do it twenty times slower
        compileall.compile_dir(ROOT / package, quiet=1)
    print(f"Linux {kernel.release} under QEMU, all emulated", flush=True)
    if sys.argv[1:] == ["--large"]:
        command = _command([f"{INSIDE}/test_{LARGE}.py"])
        return run(kernel, RESULTS, command, timeout=5 * TIMEOUT, memory="16G")
    return run(kernel, RESULTS, _command(sys.argv[1:]), timeout=TIMEOUT)


def _command(arguments: list[str]) -> str:
    """What the guest's shell does: one pytest with the files that are named, or all in lanes."""
    without = ("cacheprovider", "xdist", "anyio", "hypothesispytest")  # each takes seconds there
    options = ["-v", *(f"-pno:{plugin}" for plugin in without), *arguments]
    if any(INSIDE in argument for argument in arguments):
        return shlex.join([sys.executable, "-u", "-m", "pytest", *options])
    lanes = [sys.executable, "-u", "-m", "tests.kernel.inside.lanes", str(RESULTS_IN_GUEST)]
    return shlex.join([*lanes, *options])


if __name__ == "__main__":
    raise SystemExit(main())
