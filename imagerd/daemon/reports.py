# SPDX-License-Identifier: Apache-2.0
"""How work ended, as a worker says it, or its daemon for one that died."""

from __future__ import annotations

from imagerd.archive.stages import Outcome
from imagerd.daemon.protocol import WorkerReport


def ended_report(outcome: Outcome, *, ejected: bool) -> WorkerReport:
    """The last report of a worker."""
    return WorkerReport(
        kind="ended",
        job=outcome.job,
        name=outcome.name,
        state=outcome.state.value,
        sentence=outcome.sentence,
        image=str(outcome.image) if outcome.image is not None else None,
        bad=outcome.bad,
        exit_code=int(outcome.exit_code),
        needs_space=outcome.needs_space is not None,
        space=outcome.needs_space or 0,
        lost=outcome.lost,
        ejected=ejected,
    )
