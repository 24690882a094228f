# SPDX-License-Identifier: Apache-2.0
"""What the results say, as tables."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from benchmarks.recovery.bench import Result
from benchmarks.recovery.discs import KINDS

OURS = "imagerd"


def markdown(results: Sequence[Result]) -> str:
    """Lost sectors by kind, wrong ones, hours, and what the two demands say.

    Results of the guest have a table of their own.
    """
    if guests := [result for result in results if result.guest]:
        rest = [result for result in results if not result.guest]
        return "\n\n".join([*([markdown(rest)] if rest else []), _programs(guests)])
    names = list(dict.fromkeys(result.client for result in results))
    parts = ["Sectors lost (wrong ones passed as good):", _table(results, names)]
    parts += ["Drive hours and commands, all discs:", _effort(results, names)]
    parts += [_demands(results, [name for name in names if name != OURS])]
    return "\n\n".join(parts)


def _programs(results: Sequence[Result]) -> str:
    """Each program with each disc."""
    lines = [
        "| disc | program | recovered | wrong as good | drive seconds | commands |",
        "|---|---|---|---|---|---|",
    ]
    last = ""
    for result in sorted(results, key=lambda each: each.disc.rpartition(" ")[2]):
        what = f"{result.kind}, {result.content}, {result.sectors:,} sectors"
        lines.append(
            f"| {what if result.disc != last else ''} | `{result.client}` | {result.recovered:,}"
            f" | {result.wrong:,} | {result.hours * 3600:.1f}{' (stopped)' * result.stopped}"
            f" | {result.commands:,} |"
        )
        last = result.disc
    return "\n".join(lines)


def by_policy(results: Sequence[Result]) -> str:
    """What each policy lost, and in how many minutes of the drive."""
    names = list(dict.fromkeys(result.client for result in results))
    lines = [f"| damage | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for kind in KINDS:
        rows = {result.client: result for result in results if result.kind == kind}
        cells = [
            f"{rows[name].lost:,} in {rows[name].hours * 60:.1f} min" if name in rows else "–"
            for name in names
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(results: Sequence[Result], names: Sequence[str]) -> str:
    lines = [f"| kind | sectors | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    kinds = [kind for kind in KINDS if any(result.kind == kind for result in results)]
    for kind in [*kinds, ""]:
        rows = [result for result in results if kind in ("", result.kind)]
        cells = [_lost([row for row in rows if row.client == name]) for name in names]
        sectors = sum(row.sectors for row in rows if row.client == names[0])
        title = kind or "**all**"
        lines.append(f"| {title} | {sectors:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _lost(rows: Iterable[Result]) -> str:
    rows = list(rows)
    wrong = sum(row.wrong for row in rows)
    lost = f"{sum(row.lost for row in rows):,}"
    return f"{lost} ({wrong} wrong)" if wrong else lost


def _effort(results: Sequence[Result], names: Sequence[str]) -> str:
    lines = ["| client | drive hours | commands |", "|---|---|---|"]
    for name in names:
        rows = [result for result in results if result.client == name]
        hours, commands = sum(row.hours for row in rows), sum(row.commands for row in rows)
        lines.append(f"| {name} | {hours:.2f} | {commands:,} |")
    return "\n".join(lines)


def _demands(results: Sequence[Result], others: Sequence[str]) -> str:
    """Against the best of the others: what is lost at its hours, and how soon we have as much."""
    ours = {result.disc: result for result in results if result.client == OURS}
    total = {
        name: sum(result.lost for result in results if result.client == name) for name in others
    }
    best = min(total, key=lambda name: total[name])
    lost = sum(result.lost for result in ours.values())
    theirs = [result for result in results if result.client == best]
    hours = sum(result.hours for result in theirs)
    needed = sum(min(_until(ours[r.disc], r.recovered), ours[r.disc].hours) for r in theirs)
    never = sum(ours[result.disc].recovered < result.recovered for result in theirs)
    fewer = 1 - lost / max(total[best], 1)
    return (
        f"The best of the others in total is {best}: {total[best]:,} sectors lost in {hours:.2f}"
        f" drive hours. imagerd loses {lost:,} ({fewer:.0%} fewer), and has had as many as it after"
        f" {needed:.2f} hours ({needed / max(hours, 1e-9):.0%}); on {never} of {len(theirs)} discs"
        " it never has."
    )


def _until(result: Result, sectors: int) -> float:
    """Hours until the client held so many sectors."""
    at = bisect_right(result.curve, sectors - 1, key=lambda point: point[1])
    return result.curve[at][0] / 3600 if at < len(result.curve) else result.hours
