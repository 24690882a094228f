# SPDX-License-Identifier: Apache-2.0
"""From matched images to one plan of renaming, carried out as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagerd.base.errors import BadInput
from imagerd.cli.matches import Matched, Renamed
from imagerd.cli.sources import is_drive

if TYPE_CHECKING:
    from imagerd.cli.output import Output
    from imagerd.toolkit.match.renaming import Plan
    from imagerd.toolkit.match.template import Template


def rename(
    images: Sequence[Matched],
    template: Template,
    in_catalog: Callable[[str], int | None],
    output: Output,
    *,
    dry_run: bool,
) -> list[Matched]:
    """The images with what became of their names.

    Those without one clear name stay as they are. Raises the operator's errors where the plan
    cannot be carried out: then nothing was renamed.
    """
    from imagerd.toolkit.match.renaming import carry_out, joined

    told: list[Matched] = []
    plans: list[Plan] = []
    for image in images:
        if not image.named:
            told.append(image)
            continue
        plan, why = _plan(image, template, in_catalog)
        if plan is None:
            told.append(replace(image, kept_name=why))
            continue
        plans.append(plan)
        moves = [move for move in plan.moves if move.old != move.new]
        renamed = tuple(Renamed(str(move.old), str(move.new)) for move in moves)
        told.append(replace(image, renamed=renamed))
    whole = joined(plans)
    if dry_run:
        output.note("Nothing was renamed (--dry-run).")
    else:
        carry_out(whole)
    return told


def _plan(
    image: Matched, template: Template, in_catalog: Callable[[str], int | None]
) -> tuple[Plan | None, str]:
    from imagerd.toolkit.match.pieces import pieces_of
    from imagerd.toolkit.match.renaming import plan_for

    assert image.result is not None
    if is_drive(image.source):
        return None, "it is a disc in a drive"
    known = in_catalog(image.source)
    if known is not None:
        return None, f"it is image {known} of the archive, whose catalog knows it by its name"
    options = [
        {"name": c.name, "system": c.system, "dat": c.dat, "version": c.version}
        for c in image.result.candidates
    ]
    if len({template.path(fields) for fields in options}) > 1:
        return None, "several games match; name the DAT by --dat"
    try:
        return plan_for(pieces_of(Path(image.source)), template, options[0]), ""
    except BadInput as error:
        return None, str(error)
