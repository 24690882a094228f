# SPDX-License-Identifier: Apache-2.0
"""What `imagerctl convert` tells of one conversion, and of many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagerd.cli import text

if TYPE_CHECKING:
    from imagerd.toolkit.account import AccountSummary
    from imagerd.toolkit.batch import BatchResult, Converted
    from imagerd.toolkit.convert import ConvertResult


@dataclass(frozen=True, slots=True)
class Told:
    """A conversion. `account`: what was known of the source from when it was made."""

    source: str
    result: ConvertResult
    account: AccountSummary | None
    remarks: tuple[str, ...] = ()


def lines(told: Told) -> Iterator[str]:
    """What is told of one conversion."""
    result = told.result
    if result.kept:
        yield f"{text.clean(str(result.target))} is there already, and as it should be."
    for file in result.files:
        size = text.faint(text.size(file.path.stat().st_size))
        yield f"{text.clean(str(file.path))}  {size}"
        if file.digests is not None:
            names = ("crc32", "md5", "sha1", "sha256")
            yield from text.facts([(name, getattr(file.digests, name)) for name in names])
    if result.left_out:
        yield f"Left behind: {text.clean(', '.join(result.left_out))}."
    yield from _findings(result)
    if told.account is not None and told.account.sentence:
        yield text.faint(text.clean(told.account.sentence))
    if result.map is not None:
        yield f"What is bad in it is listed in {text.clean(str(result.map))}."
    for remark in told.remarks:
        yield text.doubtful(text.clean(remark))


def _findings(result: ConvertResult) -> Iterator[str]:
    if result.repaired:
        yield text.doubtful("Repaired") + (
            f" by parity: {text.count(result.repaired.count, 'sector')}, "
            f"LBA {text.ranges(result.repaired.ranges)}."
        )
    for name, extent, what in (
        ("Unreadable", result.unreadable, "written as filling"),
        ("Wrong EDC", result.wrong, "written as they are"),
        ("Doubtful", result.doubtful, "written as they are"),
    ):
        if extent:
            yield text.bad(name) + (
                f", {what}: {text.count(extent.count, 'sector')}, LBA {text.ranges(extent.ranges)}."
            )
    if result.intended:
        yield (
            f"Of these {text.count(result.intended.count, 'sector')} bad on purpose (a copy"
            f" protection): LBA {text.ranges(result.intended.ranges)}."
        )
    again = result.reread
    if again is not None and again.same:
        yield text.good("Read back") + (
            f": {text.count(again.sectors, 'sector')} as in the source."
        )
    elif again is not None:
        yield text.bad("Read back") + (
            f": {text.count(again.different.count, 'sector differs', 'sectors differ')} and"
            f" {text.count(again.missing.count, 'is', 'are')} missing."
        )
        yield from (text.clean(remark) for remark in again.remarks)


def batch_lines(batch: BatchResult) -> Iterator[str]:
    """What is told of many: a table, then what is to be said of each, then the sum."""
    rows = [
        [text.clean(one.source), _outcome(one), text.clean(str(one.target))]
        for one in batch.conversions
    ]
    yield from text.table(rows, ["source", "outcome", "target"])
    for one in batch.conversions:
        details = [] if one.result is None else [*_findings(one.result)]
        if one.result is not None and one.result.left_out:
            details.insert(0, f"Left behind: {text.clean(', '.join(one.result.left_out))}.")
        details += [text.clean(sentence) for sentence in (one.error, *one.remarks) if sentence]
        if details:
            yield text.strong(text.clean(one.source))
            yield from (f"  {line}" for line in details)
    done = [f"{text.count(batch.converted, 'image')} converted"]
    if batch.kept:
        done.append(f"{batch.kept} there already")
    if batch.failed:
        done.append(text.bad(f"{batch.failed} failed"))
    yield f"{', '.join(done)}."
    for part in batch.unfinished:
        yield (
            text.doubtful("Unfinished")
            + f": {text.clean(str(part))}; remove it if nobody writes it."
        )


def _outcome(one: Converted) -> str:
    if one.result is None:
        return text.bad("failed")
    if not one.result.ok:
        return text.bad("findings")
    return text.good("there already" if one.result.kept else "converted")
