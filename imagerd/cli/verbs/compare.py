# SPDX-License-Identifier: Apache-2.0
"""`imagerctl compare`: is it the same disc?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import ExitCode
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.output import Output, output_options
from imagerd.cli.sources import opened

if TYPE_CHECKING:
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.compare import CompareResult, TrackComparison


@dataclass(frozen=True, slots=True)
class _Told:
    """`accounts`: what is known of each side from when it was made, by `a` and `b`."""

    a: str
    b: str
    comparison: CompareResult
    accounts: dict[str, AccountSummary | None]
    remarks: tuple[str, ...] = ()


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--common", is_flag=True, help="Only what both have: more tracks on one side do not matter."
)
@account_options
@output_options
def command(
    first: str,
    second: str,
    common: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare disc with disc, whatever the containers.

    A and B are images or drives. Raw sectors are compared whole; where one side holds user data
    only (.iso), user data are. Differing sectors are listed by track, in A's addresses. Sectors
    that could not be read when an image was made, as the catalog or a map file beside it says,
    count as unreadable, whatever fills them.

    \b
    Examples:
      imagerctl compare game.cue game.iso
      imagerctl compare /dev/sr0 game.cue
      imagerctl compare --common mixed.cue data.iso
      imagerctl compare a.cue b.cue --json | jq '.comparison.tracks[].different'

    Exit code: 0 equal, 1 different, 2 trouble (a side cannot be opened, or sectors that could
    not be read leave it undecided).
    """
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.compare import compare

    output = Output("compare", as_json=as_json, quiet=quiet)
    accounts = Accounts(catalog, config, no_catalog, no_map)
    with opened(first, accounts) as a, opened(second, accounts) as b:
        result = output.follow(compare(a.source, b.source, common=common))
        known = {"a": AccountSummary.of(a.account), "b": AccountSummary.of(b.account)}
        told = _Told(first, second, result, known, (*a.remarks, *b.remarks))
    output.tell(told, _lines)
    codes = {"equal": ExitCode.OK, "different": ExitCode.FINDING}
    failures.finish(codes.get(result.outcome.value, ExitCode.OPERATOR))


def _lines(told: _Told) -> Iterator[str]:
    result = told.comparison
    for sentence in result.layout:
        yield f"  {text.doubtful(text.clean(sentence))}"
    for sentence in result.details:
        yield f"  {text.faint(text.clean(sentence))}"
    if result.shift:
        yield text.faint(f"  LBA n of the first is LBA n{result.shift:+} of the second.")
    for track in result.tracks:
        yield from _track(track)
    for name, extent in (("first", result.only_a), ("second", result.only_b)):
        if extent:
            yield f"  {_sectors(extent.count)} only in the {name}: LBA {text.ranges(extent.ranges)}"
    for account in told.accounts.values():
        if account is not None and account.sentence:
            yield text.faint(f"  {text.clean(account.sentence)}")
    for remark in told.remarks:
        yield f"  {text.doubtful(text.clean(remark))}"
    yield _conclusion(result)


def _track(track: TrackComparison) -> Iterator[str]:
    name = f"Track {track.number}, {text.mode(track.mode)}"
    if track.different:
        yield (
            f"  {name}: {text.bad(_sectors(track.different.count) + ' differ')} "
            f"({track.depth}): LBA {text.ranges(track.different.ranges)}"
        )
    for side, extent in (("first", track.unreadable_a), ("second", track.unreadable_b)):
        if extent:
            yield (
                f"  {name}: {text.doubtful(_sectors(extent.count) + ' unreadable')} in the {side}: "
                f"LBA {text.ranges(extent.ranges)}"
            )


def _conclusion(result: CompareResult) -> str:
    compared = f"{_sectors(result.sectors)} compared ({_depths(result)})"
    if result.outcome == "equal":
        return text.good("Equal") + f": {compared}."
    if result.outcome == "undecided":
        return text.doubtful("Undecided") + f": what could be read is equal; {compared}."
    where = "" if result.first_difference is None else f"; first at LBA {result.first_difference}"
    return text.bad("Different") + f": {compared}{where}."


def _depths(result: CompareResult) -> str:
    return ", ".join(sorted({track.depth.value for track in result.tracks})) or "nothing"


def _sectors(number: int) -> str:
    return text.count(number, "sector")
