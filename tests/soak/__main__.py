# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.soak [--cycles N] [--seed N]``: exit code 0 only if everything held."""

from __future__ import annotations

import argparse
import secrets
import signal

from tests.soak.run import Failed, Soak
from tests.soak.show import Progress, table, told


def main() -> int:
    """The whole run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--cycles", type=int, default=4000, help="insertions, of both drives")
    parser.add_argument("--seed", type=int, help="what happens; the default is another each time")
    parser.add_argument("--only", help="only kinds with that in their name", default="")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"soak: {options.cycles} cycles in two drives, seed {seed}", flush=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)  # nothing is left running then
    progress = Progress(options.cycles)
    try:
        summary = Soak(options.cycles, seed, progress.show, options.only).run()
    except Failed as failed:
        progress.end()
        print(told(failed, options.cycles, seed))
        return 1
    except KeyboardInterrupt:
        progress.end()
        print("soak: interrupted; nothing was found until then")
        return 130
    progress.end()
    print(table(summary))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
