# SPDX-License-Identifier: Apache-2.0
"""`export --redumper`: a disc as the files of redumper, read once, in constant memory."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.base.files import refuse_existing
from imagerd.base.progress import Task
from imagerd.disc.layout import Layout
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.source import SectorSource
from imagerd.toolkit.redumper.blocks import export_blocks
from imagerd.toolkit.redumper.cd import CdExport
from imagerd.toolkit.redumper.states import State
from imagerd.toolkit.redumper.told import log_text
from imagerd.toolkit.redumper.writing import MOST_SHIFT, ExportOptions, Provenance, SetFiles


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written, the log last. `counts`: samples (CD) or blocks by redumper's state.

    `notes`: sentences on what is not as redumper would have read it. `ok`: nothing is ERROR.
    """

    ok: bool
    files: tuple[Path, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]


def export_redumper(
    source: SectorSource,
    target: Path,
    options: ExportOptions | None = None,
    known: Provenance | None = None,
) -> Task[ExportResult]:
    """Write `source` as the files `target`.scram, .state, … (`target` has no suffix).

    The files appear under their names together when all are whole. Raises `AlreadyThere` for those
    that exist, `BadInput` for options that do not fit the source.
    """
    options, known = options or ExportOptions(), known or Provenance()
    _check(source.layout, options, known)
    _refuse(target, source.layout, options)
    with ExitStack() as stack:
        files = SetFiles(target, options, stack)
        if source.layout.is_cd:
            task = CdExport(source, files, options, known).run()
        else:
            task = export_blocks(source, files, known)
        told = yield from task
        facts = (*known.facts, ("files", ", ".join(sorted(files.suffixes))))
        text = log_text(source.layout, facts, told.counts, told.notes)
        files.write(".log", text.encode("utf-8", "replace"))
        named = files.publish()
    errors = told.counts[State.ERROR_SKIP] + told.counts[State.ERROR_C2]
    counts = {state.name.lower(): count for state, count in told.counts.items()}
    return ExportResult(errors == 0, named, counts, tuple(told.notes))


def _refuse(target: Path, layout: Layout, options: ExportOptions) -> None:
    """What exists and would be in the way, before any work."""
    iso = target.with_name(f"{target.name}.iso")
    if layout.is_cd and iso.exists():
        raise AlreadyThere(
            f"{iso} exists: redumper would take the set for a DVD's; name another folder or name."
        )
    refuse_existing(target.with_name(f"{target.name}.log"), overwrite=options.overwrite)


def _check(layout: Layout, options: ExportOptions, known: Provenance) -> None:
    for offset in (options.read_offset, options.write_offset):
        if offset is not None and abs(offset) > MOST_SHIFT:
            raise BadInput(f"An offset of {offset:+d} samples is more than 150 sectors; check it.")
    if layout.is_cd and layout.start < 0:
        raise BadInput(f"The disc begins at LBA {layout.start}, before the program area.")
    if layout.is_cd and layout.end > LBA_MAX + 1:
        raise BadInput(f"The disc ends at LBA {layout.end}; a CD has addresses up to {LBA_MAX}.")
    if not layout.is_cd and (options.read_offset is not None or options.write_offset is not None):
        raise BadInput("A disc other than a CD has no samples to move; leave the offset out.")
    if options.read_offset is not None and known.corrected is not None:
        raise BadInput(
            f"The read offset of {known.corrected:+d} samples was taken out of this image already;"
            " leave --read-offset out."
        )
