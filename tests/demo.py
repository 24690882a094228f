# SPDX-License-Identifier: Apache-2.0
"""`make demo`: a real imagerd, one virtual drive, three discs; every image judged in the end.

Exit code 0 only if every image equals its source outside the sectors that were planned as
unreadable, and the catalog lists exactly those. What is typed here, a person could type.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.demo_discs import DemoDisc, make_discs
from tests.station import ENDED, Station, station

DRIVE = "demo"


class Demo:
    """Runs commands in view of the reader."""

    def __init__(self, here: Station) -> None:
        self.here = here
        self.failures: list[str] = []

    def say(self, text: str) -> None:
        """A heading."""
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)

    def run(self, *words: str | Path, ok: tuple[int, ...] = (0,)) -> None:
        """Show a command, run it with its output in view, and note if it fails."""
        shown = shlex.join(str(word) for word in words)
        print(f"$ imagerctl {shown}", flush=True)
        done = subprocess.run(self._command(*words), env=self.here.environment(), check=False)
        if done.returncode not in ok:
            self.failures.append(f"imagerctl {shown} exited {done.returncode}")

    def ask(self, *words: str | Path) -> dict[str, object]:
        """What a command answers as JSON."""
        done = subprocess.run(
            self._command(*words, "--json"),
            env=self.here.environment(),
            capture_output=True,
            check=False,
        )
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def archive(self, disc: DemoDisc) -> Path:
        """Insert a disc, watch the daemon archive it, and return the image."""
        self.say(f"Insert {disc.title}")
        watcher = subprocess.Popen(
            self._command("watch", "--once"), env=self.here.environment(), stdin=subprocess.DEVNULL
        )
        time.sleep(0.7)  # so that the watcher shows the insertion, too
        before = {job.id for job in self.here.client.jobs(everything=True)}
        plan: list[str | Path] = [] if disc.faults is None else ["--faults", disc.faults]
        self.run("virtual", "insert", DRIVE, disc.image, *plan)
        watcher.wait(120)
        job = next(job for job in self.here.client.jobs(everything=True) if job.id not in before)
        assert job.state in ENDED, job
        return self.here.image_of(job)

    def judge(self, disc: DemoDisc, image: Path) -> None:
        """Compare the image's bytes with its source's, and the catalog's list with the plan.

        The comparison must not know what the catalog says: it is what judges the catalog.
        """
        blind = ("--no-catalog", "--no-map")
        differing = lbas(self.ask("compare", disc.image, image, *blind), "different")
        listed = lbas(self.ask("errors", image), "ranges")
        self.check(differing == disc.lost, f"{image.name} differs from its source elsewhere")
        self.check(listed == disc.lost, f"the catalog lists other sectors for {image.name}")

    def check(self, holds: bool, otherwise: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.failures.append(otherwise)

    def _command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "imagerd.cli.main", *map(str, words)]


def main() -> int:
    """The whole demo; returns the exit code."""
    began = time.monotonic()
    with station(start=False) as here:
        demo = Demo(here)
        discs_folder = here.folder / "discs"
        discs_folder.mkdir()
        demo.say("Make three discs, and start imagerd with a virtual drive and an empty archive")
        discs = make_discs(discs_folder)
        here.start()
        demo.run("virtual", "add", DRIVE)
        demo.run("status")
        images = [demo.archive(disc) for disc in discs]
        show(demo, discs, images)
        for disc, image in zip(discs, images, strict=True):
            demo.judge(disc, image)
    return verdict(demo, discs, time.monotonic() - began)


def show(demo: Demo, discs: tuple[DemoDisc, ...], images: list[Path]) -> None:
    """What a person would look at afterwards."""
    scratched, game, tones = images
    demo.say("What the archive has")
    demo.run("list")
    demo.run("show", tones)
    demo.run("errors", scratched, ok=(1,))
    demo.say("Prove the images")
    demo.run("verify", game)
    demo.run("verify", scratched, ok=(1,))
    demo.say("Take the data out of the game, and compare everything with its source")
    demo.run("convert", game, demo.here.folder / "game.iso")
    demo.run("compare", discs[0].image, scratched, ok=(2,))
    demo.run("compare", discs[1].image, game)
    demo.run("compare", discs[2].image, tones)


def verdict(demo: Demo, discs: tuple[DemoDisc, ...], seconds: float) -> int:
    """The last words."""
    if demo.failures:
        demo.say("The demo FAILED")
        for failure in demo.failures:
            print(f"  {failure}")
        return 1
    lost = sum(len(disc.lost) for disc in discs)
    demo.say(f"All is well, after {seconds:.0f} seconds")
    print(
        f"  Three images equal their sources, but for {lost} sectors that no reader can get;\n"
        f"  each of those {lost} is listed as unreadable, and no other sector is."
    )
    return 0


def lbas(answer: dict[str, object], key: str) -> frozenset[int]:
    """All LBAs of the ranges below `key`, at any depth."""
    found: set[int] = set()
    _collect(answer, key, found, inside=False)
    return frozenset(found)


def _collect(value: object, key: str, found: set[int], *, inside: bool) -> None:
    if isinstance(value, dict):
        if inside and "first" in value and "last" in value:
            found.update(range(value["first"], value["last"] + 1))
        for name, item in value.items():
            _collect(item, key, found, inside=inside or name == key)
    elif isinstance(value, list):
        for item in value:
            _collect(item, key, found, inside=inside)


if __name__ == "__main__":
    raise SystemExit(main())
