# SPDX-License-Identifier: Apache-2.0
"""The worker process: one disc in one drive, reported line by line to whoever started it.

``python -m imagerd.daemon.worker --drive ADDRESS [--config FILE] [--job ID] [--again]``

With ``--config -`` it works by the configuration that its daemon hands over on standard input.

SIGTERM: stop after a checkpoint, the job stays open. SIGUSR1: stop and cancel the job. When the
daemon that started it dies, it stops as for SIGTERM.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Work; returns the exit code of the outcome.

    What is imported stays to the end: a collector that goes through it, while it is loaded and once
    more when the process ends, would take a fifth of the time that a worker costs.
    """
    options = _arguments(arguments)
    gc.disable()
    from imagerd.archive.world import Order
    from imagerd.daemon.one_disc import work

    gc.freeze()
    gc.enable()
    return work(options.drive, options.config, Order(options.job, options.again))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m imagerd.daemon.worker")
    parser.add_argument("--drive", required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--job")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
