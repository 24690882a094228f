# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.kernel [PYTEST ARGUMENTS]``: run the tests of `inside/` in the guest."""

from __future__ import annotations

import compileall
import os
import shlex
import sys

from tests.kernel.guest import RESULTS_IN_GUEST, ROOT, NoGuest, find_kernel, run

RESULTS = ROOT / "build" / "kernel"
TIMEOUT = 1500.0
INSIDE = "tests/kernel/inside"
LANES = (("attach", "clients"), ("service",), ("last",))
BY_HAND = ("cycles",)  # fifty discs take longer there than all the rest


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
    """
    if any(INSIDE in argument for argument in arguments):
        return _pytest(arguments)
    drives, daemon, last = (
        _lane(lane[0], [f"{INSIDE}/test_{name}.py" for name in lane] + arguments) for lane in LANES
    )
    codes = " ".join(f"{RESULTS_IN_GUEST}/exit-{lane[0]}" for lane in LANES)
    return f'{drives} & {daemon}; wait; {last}; test "$(cat {codes} | sort -u)" = 0'


def _lane(name: str, arguments: list[str]) -> str:
    """A pytest whose lines are whole and say whose they are; its exit code goes to a file."""
    code = RESULTS_IN_GUEST / f"exit-{name}"
    return f"{{ {_pytest(arguments)}; echo $? >{code}; }} 2>&1 | sed -u 's/^/{name:8}/'"


def _pytest(arguments: list[str]) -> str:
    without = ("cacheprovider", "xdist", "anyio", "hypothesispytest")  # each takes seconds there
    options = ["-v", *(f"-pno:{plugin}" for plugin in without)]
    return shlex.join([sys.executable, "-u", "-m", "pytest", *options, *arguments])


if __name__ == "__main__":
    raise SystemExit(main())
