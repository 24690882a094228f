# SPDX-License-Identifier: Apache-2.0
"""Two people at two drives at once, and the plan that each of them follows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from imagerd.base.errors import ImagerdError
from tests.soak.hands import Hands, Stopped, Violation
from tests.soak.kinds import Kind, passed_on

_MOMENT = 0.25  # seconds between two looks at the whole
_PASSED_ON = Kind("passed on", passed_on, 0, "")


class Crew:
    """Each pair of hands in a thread of its own; the first that finds a violation stops all."""

    def __init__(self, hands: Sequence[Hands], kinds: Sequence[Kind], seed: int) -> None:
        self._hands, self._kinds, self._seed = hands, kinds, seed
        self._bench = hands[0].bench
        self._plans = dict(zip(hands, self._deal(), strict=True))
        self.where = ""  # something did not hold

    def work(self, most: int, show: Callable[[int], None]) -> None:
        """Until each pair of hands has done its part of `most` cycles, all in all.

        Raises the first violation; `where` tells then who found it.
        """
        with ThreadPoolExecutor(len(self._hands)) as threads:
            futures = [threads.submit(self._follow, one, most) for one in self._hands]
            try:
                while not all(future.done() for future in futures):
                    show(self._bench.ledger.cycles.total())
                    self._watch()
                    time.sleep(_MOMENT)
            except BaseException:
                self._bench.stop.set()
                raise
        self._raise(futures)
        for one in self._hands:  # what lies half read between the two
            while any(name != one.name for name, _ in self._bench.passing):
                self._do(one, _PASSED_ON)

    def _deal(self) -> Iterator[Iterator[Kind]]:
        """Every kind once, by one of them, then by weight."""
        deck = list(self._kinds)
        random.Random(self._seed).shuffle(deck)
        for at, one in enumerate(self._hands):
            yield self._plan(deck[at :: len(self._hands)], one.name)

    def _plan(self, first: Sequence[Kind], name: str) -> Iterator[Kind]:
        yield from first
        rng = random.Random(f"{self._seed} {name}")
        while True:
            yield from rng.choices(self._kinds, [kind.weight for kind in self._kinds])

    def _follow(self, hands: Hands, most: int) -> None:
        while hands.cycles < most // len(self._hands) and not self._bench.stop.is_set():
            self._do(hands, next(self._plans[hands]))

    def _do(self, hands: Hands, kind: Kind) -> None:
        hands.episodes += 1
        hands.kind = kind.name
        hands.rng = random.Random(f"{self._seed} {hands.name} {hands.episodes}")
        try:
            kind.episode(hands)
        except Stopped:
            return
        except BaseException:
            self.where = self.where or f"drive {hands.name}, {kind.name!r}"
            self._bench.stop.set()
            raise

    def _raise(self, futures: list[Future[None]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, ImagerdError)):
            raise error  # a violation of our own before what followed from it

    def _watch(self) -> None:
        """What must hold at every moment."""
        for one in self._hands:
            workers = set(one.workers())
            if len(workers) > 1 and workers <= set(one.workers()):
                self.where = self.where or f"drive {one.name}"
                raise Violation(f"{len(workers)} workers are at work in one drive")
