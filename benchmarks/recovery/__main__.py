# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.recovery run RESULTS``: all discs before all clients; a line of JSON each.

What RESULTS has already is not run again. ``table RESULTS`` prints what it says, as in
docs/recovery.md; ``discs`` the set with its fault plans; ``copies`` three copies of one disc.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from benchmarks.recovery import copies, reimplemented, tables
from benchmarks.recovery.bench import Client, Result, run_client
from benchmarks.recovery.discs import CONTENTS, Disc, discs, image_of
from benchmarks.recovery.imagerd_client import by
from imagerd.recovery.budget import Budget

LIMIT = (
    150.0  # seconds of the drive for a disc of 160 seconds at 1x: an hour and more of a full one
)
_IMAGES = Path(tempfile.gettempdir()) / "imagerd-bench-discs"


def clients() -> dict[str, Client]:
    """By name. Those with a star are written anew from descriptions."""
    return {
        "imagerd": by(Budget.named("thorough")),
        "ddrescue -r-1*": reimplemented.ddrescue(-1),
        "readcd*": reimplemented.readcd(),
        "redumper refine*": reimplemented.redumper(),
    }


def one(name: str, disc: Disc) -> Result:
    """One client with one disc, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run_client(name, clients()[name], disc, _IMAGES, Path(folder) / "work", LIMIT)


def run_all(path: Path) -> None:
    """Whatever `path` lacks, on all cores."""
    _IMAGES.mkdir(exist_ok=True)
    for content in sorted(set(CONTENTS)):
        image_of(content, _IMAGES)
    done = {(result.disc, result.client) for result in load(path)}
    wanted = [(name, disc) for disc in discs() for name in clients()]
    wanted = [(name, disc) for name, disc in wanted if (disc.name, name) not in done]
    with ProcessPoolExecutor() as pool, path.open("ab") as out:
        for future in as_completed([pool.submit(one, name, disc) for name, disc in wanted]):
            result = future.result()
            out.write(msgspec.json.encode(result) + b"\n")
            out.flush()
            told = f"{result.lost} lost, {result.wrong} wrong, {result.hours * 3600:.0f} s"
            print(f"{result.disc:45} {result.client:18} {told}", file=sys.stderr, flush=True)


def load(path: Path) -> Iterator[Result]:
    """The results in `path`."""
    if path.exists():
        for line in path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Result)


def main(arguments: list[str]) -> int:
    """See the module."""
    match arguments:
        case ["run", path]:
            run_all(Path(path))
        case ["table", path]:
            print(tables.markdown(list(load(Path(path)))))
        case ["discs"]:
            for disc in discs():
                print(f"# {disc.name}, in a drive `{disc.drive}`\n{disc.plan}")
        case ["copies"]:
            print(copies.markdown(_IMAGES))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
