# SPDX-License-Identifier: Apache-2.0
"""Run the modules and print one table. Exit code 1 if a target is missed."""

from __future__ import annotations

import compileall
import importlib
import importlib.util
import os
import platform
import sys
from pathlib import Path

import imagerd
from benchmarks.table import Row, markdown

MODULES = ("sectors", "virtual", "reading", "verbs", "hashing", "containers", "startup", "info")


def main(names: list[str]) -> int:
    """Run `names`, or all; the table goes to stdout, progress to stderr."""
    compileall.compile_dir(Path(imagerd.__file__).parent, quiet=1)  # as installing does
    rows: list[Row] = []
    for name in names or MODULES:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"benchmarks.{name} is not here", file=sys.stderr)
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows()
    print(f"{_machine()}\n\n{markdown(rows)}")
    return 1 if any(row.ok is False for row in rows) else 0


def _machine() -> str:
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as stream:  # noqa: PTH123 - a kernel file
        for line in stream:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
