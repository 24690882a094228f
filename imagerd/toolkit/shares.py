# SPDX-License-Identifier: Apache-2.0
"""Many small jobs on all cores: each process takes a share of them, results come in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

from imagerd.base.progress import Progress
from imagerd.toolkit.crew import Pulse, each

Job = TypeVar("Job")
Result = TypeVar("Result")

_MOST = 64  # jobs of a share: a process takes some milliseconds to start
_ROUNDS = 4  # shares for each worker at least, so that none waits long for the last


def in_order(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, most: int = _MOST
) -> Iterator[Result | Exception]:
    """`work` of each job, in the order of the jobs; an exception where a job has no result.

    `work` must be picklable, and so must jobs and results. A share whose process ended early is
    done again, each job by itself, so that none pays for another.
    """
    length = max(1, min(most, len(jobs) // (_ROUNDS * workers)))
    shares = [jobs[at : at + length] for at in range(0, len(jobs), length)]
    done: dict[int, Sequence[Result | Exception]] = {}
    following = 0
    with closing(each(partial(_all_of, work=work), shares, workers)) as ended:
        for number, outcome in ended:
            if not isinstance(outcome, Exception):
                done[number] = outcome
            elif length > 1:
                done[number] = tuple(in_order(work, shares[number], workers, 1))
            else:
                done[number] = (outcome,)
            while following in done:
                yield from done.pop(following)
                following += 1


def _all_of(
    jobs: Sequence[Job], pulse: Pulse, *, work: Callable[[Job], Result]
) -> Sequence[Result]:
    results = []
    for number, job in enumerate(jobs):
        pulse(Progress(number, len(jobs), "jobs"))
        results.append(work(job))
    return results
