# SPDX-License-Identifier: Apache-2.0
"""The state machine of a job.

::

    queued ─► identifying ─► reading ─► writing ─► verifying ─► done | partial
                   │            any of these ─► paused ─► where it was, or from the start
                   ├─► waiting (for an answer) ─► reading | skipped
                   └─► skipped
    failed, cancelled from everywhere that is open; a retry queues the ended job again

A resumed job may go back to `queued` or `identifying` from any open state: a worker that died
left the job where it stood. `done` is for good.
"""

from __future__ import annotations

from imagerd.catalog.records import JobState as S

WORKING = frozenset({S.IDENTIFYING, S.READING, S.WRITING, S.VERIFYING})
OPEN = WORKING | {S.QUEUED, S.PAUSED, S.WAITING}
ENDED = frozenset(S) - OPEN
FINISHED = frozenset({S.DONE, S.PARTIAL})  # there is an image
RETRYABLE = (ENDED | {S.PAUSED, S.WAITING}) - {S.DONE}  # what a person may set going again

_ALWAYS = frozenset({S.QUEUED, S.IDENTIFYING, S.PAUSED, S.CANCELLED, S.FAILED})

NEXT: dict[S, frozenset[S]] = {
    S.QUEUED: frozenset({S.IDENTIFYING, S.WAITING, S.SKIPPED}) | _ALWAYS,
    S.IDENTIFYING: frozenset({S.READING, S.WAITING, S.SKIPPED}) | _ALWAYS,
    S.READING: frozenset({S.WRITING, S.WAITING}) | _ALWAYS,
    S.WRITING: frozenset({S.VERIFYING}) | _ALWAYS,
    S.VERIFYING: frozenset({S.WRITING}) | FINISHED | _ALWAYS,
    S.PAUSED: frozenset({S.READING, S.WRITING, S.VERIFYING, S.WAITING}) | _ALWAYS,
    S.WAITING: frozenset({S.READING, S.SKIPPED}) | _ALWAYS,
    S.PARTIAL: frozenset({S.QUEUED}),
    S.FAILED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
    S.SKIPPED: frozenset({S.QUEUED}),
    S.DONE: frozenset(),
}


def may_follow(before: S, after: S) -> bool:
    """Whether a job in state `before` may go to `after`; staying is not going."""
    return before is not after and after in NEXT[before]
