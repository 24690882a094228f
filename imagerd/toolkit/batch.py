# SPDX-License-Identifier: Apache-2.0
"""Many conversions in one call: what becomes of which, on all cores, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput, ExitCode, ImagerdError
from imagerd.base.progress import Progress, Task
from imagerd.formats import writable_suffixes
from imagerd.toolkit.convert import ConvertResult
from imagerd.toolkit.crew import Work, each


@dataclass(frozen=True, slots=True)
class Conversion:
    """One of the conversions: `source` as the person named it."""

    source: str
    target: Path


@dataclass(frozen=True, slots=True)
class Converted:
    """How one conversion went; `error` where it did not: then there is no `result`."""

    source: str
    target: Path
    code: ExitCode
    result: ConvertResult | None
    error: str | None
    remarks: tuple[str, ...] = ()

    @classmethod
    def failed(cls, job: Conversion, error: Exception) -> Converted:
        """One that ended in an error."""
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            sentence = f"{where}{error.strerror or error}."
            return cls(job.source, job.target, ExitCode.OPERATOR, None, sentence)
        if isinstance(error, ImagerdError):
            return cls(job.source, job.target, error.exit_code, None, str(error))
        sentence = f"This is a bug in imagerd: {type(error).__name__}: {error}"
        return cls(job.source, job.target, ExitCode.INTERNAL, None, sentence)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """All conversions in the order they were named. `code`: the worst of their exit codes.

    `unfinished`: part files in the targets' folders, of conversions that were killed or are still
    at work; nothing removes them unasked.
    """

    code: ExitCode
    conversions: tuple[Converted, ...]
    converted: int
    kept: int
    failed: int
    unfinished: tuple[Path, ...]


def plan(sources: Sequence[str], suffix: str, folder: Path | None) -> tuple[Conversion, ...]:
    """Where each source goes: into `folder`, or beside itself, under its own stem.

    Raises `BadInput` for a suffix that nothing writes and for two sources of one target.
    """
    dotted = f".{suffix.lower().lstrip('.')}"
    if dotted not in writable_suffixes():
        known = ", ".join(known.lstrip(".") for known in writable_suffixes())
        raise BadInput(f"imagerd writes no {dotted}; convert to one of: {known}.")
    found: dict[Path, str] = {}
    jobs = []
    for source in sources:
        path = Path(source)
        name = f"{path.stem}.bin.ecm" if dotted == ".ecm" else f"{path.stem}{dotted}"
        target = (path.parent if folder is None else folder) / name
        if target in found:
            raise BadInput(
                f"{found[target]} and {source} would both become {target}; convert them apart."
            )
        if target == path:
            raise BadInput(f"{source} is a {dotted} already; name a folder to write another into.")
        found[target] = source
        jobs.append(Conversion(source, target))
    return tuple(jobs)


def convert_all(
    jobs: Sequence[Conversion], work: Work[Conversion, Converted], workers: int
) -> Task[BatchResult]:
    """Do all of `jobs` by `work`, each in a process of its own, `workers` at once.

    `work` must be picklable. No conversion's error keeps another from being done.
    """
    done: dict[int, Converted] = {}
    yield Progress(0, len(jobs), "images")
    ended = each(work, jobs, workers)
    try:
        for number, outcome in ended:
            job = jobs[number]
            if isinstance(outcome, Exception):
                outcome = Converted.failed(job, outcome)
            done[number] = outcome
            yield Progress(len(done), len(jobs), "images", job.source)
    finally:
        ended.close()
    return _result(tuple(done[number] for number in range(len(jobs))))


def _result(conversions: tuple[Converted, ...]) -> BatchResult:
    kept = sum(1 for one in conversions if one.result is not None and one.result.kept)
    failed = sum(1 for one in conversions if one.result is None)
    return BatchResult(
        code=max((one.code for one in conversions), default=ExitCode.OK),
        conversions=conversions,
        converted=len(conversions) - kept - failed,
        kept=kept,
        failed=failed,
        unfinished=tuple(_part_files({one.target.parent for one in conversions})),
    )


def _part_files(folders: set[Path]) -> list[Path]:
    return sorted(
        part for folder in folders if folder.is_dir() for part in folder.glob(".*.????????.part")
    )
