# SPDX-License-Identifier: Apache-2.0
"""The console script `imagerd`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from imagerd import __version__
from imagerd.base.errors import ExitCode, ImagerdError

_EPILOG = """\
exit codes: 0 stopped by a signal; 2 it cannot run here (one sentence says why); 70 a bug.
SIGTERM stops after a checkpoint of every job, SIGHUP reads the configuration again.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the daemon in the foreground; service managers and shells put it elsewhere."""
    options = _arguments(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format=_format(),
        stream=sys.stderr,
    )
    if not options.verbose:
        for library in ("alembic", "uvicorn"):
            logging.getLogger(library).setLevel(logging.WARNING)
    try:
        _serve(options.config)
    except ImagerdError as error:
        sys.stderr.write(f"imagerd: {error}\n")
        sys.exit(int(error.exit_code))
    sys.exit(int(ExitCode.OK))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="imagerd",
        description="Watch optical drives and archive every disc that is put in.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="the configuration, instead of the usual one")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every event of a drive")
    parser.add_argument("-V", "--version", action="version", version=f"imagerd {__version__}")
    return parser.parse_args(arguments)


def _serve(file: Path | None) -> None:
    from imagerd.base.config import load_config
    from imagerd.daemon.service import serve

    serve(load_config(file))


def _format() -> str:
    """The journal has times of its own."""
    return "%(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(message)s"


if __name__ == "__main__":
    main()
