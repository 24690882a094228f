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
INSIDE = "tests/kernel/inside"
LANES = (("attach", "clients"), ("service", "cycles"), ("last",))


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
    return run(kernel, RESULTS, _command(sys.argv[1:]), timeout=TIMEOUT)


def _command(arguments: list[str]) -> str:
    """What the guest's shell does: one pytest with the arguments given, or all in two lanes.

    In one lane are the tests of the daemon, in the other those of drives that it leaves alone;
    what concerns every drive of the machine comes last.
    With a worker of xdist each prints whole lines, so that the lanes can share the terminal.
    """
    if any(INSIDE in argument for argument in arguments):
        return _pytest(*arguments)
    drives, daemon, last = ([f"{INSIDE}/test_{name}.py" for name in lane] for lane in LANES)
    return (
        f"{_pytest(*drives, *arguments)} & "
        f"{_pytest(*daemon, *arguments)}; daemon=$?; wait $!; drives=$?; "
        f"{_pytest(*last, *arguments)}; last=$?; "
        f"(exit $((daemon ? daemon : drives ? drives : last)))"
    )


def _pytest(*arguments: str) -> str:
    options = ("-v", "-n", "1", "-p", "no:cacheprovider")
    return shlex.join([sys.executable, "-m", "pytest", *options, *arguments])


if __name__ == "__main__":
    raise SystemExit(main())
