# SPDX-License-Identifier: Apache-2.0
"""Run beside the fake drive: a real imagerd of a station's folder, until it has archived a disc."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.station import Station


def main() -> None:
    """Start imagerd, wait for its first job, and tell what became of it."""
    here = Station(Path(sys.argv[1]))
    try:
        here.start()
        job = here.job()
        image = here.image_of(job) if job.state in ("done", "partial") else ""
        told = {
            "state": job.state,
            "drive": job.drive,
            "image": str(image),
            "sentence": job.sentence,
        }
        sys.stdout.write(json.dumps(told))
        if job.state != "done":
            sys.stderr.write(here.log.read_text())
        here.stop()
    finally:
        here.close()


if __name__ == "__main__":
    main()
