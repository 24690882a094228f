# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.kernel [PYTEST ARGUMENTS]``: run the tests of `inside/` in the guest."""

from __future__ import annotations

import compileall
import os
import shlex
import sys

from tests.kernel.guest import ROOT, NoGuest, find_kernel, run

RESULTS = ROOT / "build" / "kernel"
TIMEOUT = 1500.0


def main() -> int:
    """Boot, test, and return pytest's exit code. Without QEMU: a word why, and no failure."""
    try:
        kernel = find_kernel()
    except NoGuest as missing:
        sys.stderr.write(f"The kernel tests are skipped: {missing}\n")
        return 1 if os.environ.get("CI") == "true" else 0
    for package in ("imagerd", "tests"):  # the guest would do it twenty times slower
        compileall.compile_dir(ROOT / package, quiet=1)
    arguments = sys.argv[1:]
    if not any("tests/kernel/inside" in argument for argument in arguments):
        arguments.append("tests/kernel/inside")
    workers = ("-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "-v")
    command = shlex.join([sys.executable, "-m", "pytest", *workers, *arguments])
    print(f"Linux {kernel.release} under QEMU, all emulated", flush=True)
    return run(kernel, RESULTS, command, timeout=TIMEOUT)


if __name__ == "__main__":
    raise SystemExit(main())
