# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.recovery run RESULTS``: all discs before all clients; a line of JSON each.

What RESULTS has already is not run again. ``table RESULTS`` prints what it says, as in
docs/recovery.md; ``discs`` the set with its fault plans; ``copies`` three copies of one disc.
``policies RESULTS`` reads one disc of each kind by each of imagerd's policies, for longer.

``guest RESULTS [WORD]``: the real programs on a /dev/srN with a small disc of some kinds, in the
kernel guest of the tests (which needs what they need); only clients and discs with WORD in their
names. What is not installed is left out. ``table`` prints these results, too.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import get_args

import msgspec

from benchmarks.recovery import copies, guest, reimplemented, tables
from benchmarks.recovery.bench import Client, Result, run_client
from benchmarks.recovery.discs import CONTENTS, Disc, discs, image_of
from benchmarks.recovery.imagerd_client import by
from imagerd.base.settings import Effort
from imagerd.recovery.budget import Budget

LIMIT = (
    150.0  # seconds of the drive for a disc of 160 seconds at 1x: an hour and more of a full one
)
LONG = 1200.0
_IMAGES = Path(tempfile.gettempdir()) / "imagerd-bench-discs"


def clients() -> dict[str, Client]:
    """By name. Those with a star are written anew from descriptions."""
    return {
        "imagerd": by(Budget.named("thorough")),
        "ddrescue -r-1*": reimplemented.ddrescue(-1),
        "readcd*": reimplemented.readcd(),
        "redumper refine*": reimplemented.redumper(),
    }


def policies() -> dict[str, Client]:
    """imagerd by each of its policies."""
    return {word: by(Budget.named(word)) for word in get_args(Effort)}


def one(name: str, disc: Disc, limit: float) -> Result:
    """One client with one disc, in a folder of its own."""
    client = (clients() | policies())[name]
    with tempfile.TemporaryDirectory() as folder:
        return run_client(name, client, disc, _IMAGES, Path(folder) / "work", limit)


def run_all(path: Path, wanted: Iterable[tuple[str, Disc]], limit: float) -> None:
    """What `path` lacks of the clients and discs, on all cores."""
    _IMAGES.mkdir(exist_ok=True)
    for content in sorted(set(CONTENTS)):
        image_of(content, _IMAGES)
    done = {(result.disc, result.client) for result in load(path)}
    wanted = [(name, disc) for name, disc in wanted if (disc.name, name) not in done]
    with ProcessPoolExecutor() as pool, path.open("ab") as out:
        for future in as_completed([pool.submit(one, *each, limit) for each in wanted]):
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
            everything = ((name, disc) for disc in discs() for name in clients())
            run_all(Path(path), everything, LIMIT)
        case ["policies", path]:
            some = [
                disc for disc in discs() if disc.name.endswith("00") or disc.name.endswith(" 0")
            ]
            run_all(Path(path), ((name, disc) for disc in some for name in policies()), LONG)
            print(tables.by_policy(list(load(Path(path)))))
        case ["guest", path]:
            return guest.boot(Path(path), LIMIT)
        case ["guest", path, only]:
            return guest.boot(Path(path), LIMIT, only)
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
