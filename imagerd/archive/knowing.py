# SPDX-License-Identifier: Apache-2.0
"""Getting to know the drive at the beginning of a job: once for each model and firmware."""

from __future__ import annotations

from imagerd.archive.speed import SpeedLimit
from imagerd.archive.world import World
from imagerd.base.progress import Task
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.knowledge.forms import features_of
from imagerd.devices.knowledge.probe import AT_A_JOB, open_questions, probe
from imagerd.devices.knowledge.record import UNKNOWN, DriveKnowledge


def get_to_know(drive: OpticalDrive, world: World, *, ask: bool = True) -> Task[DriveKnowledge]:
    """What is known of the drive in `world`'s catalog, completed as far as this disc allows.

    A drive whose model is known costs no command, and without `ask` none does. What a worn disc
    does not tell is asked again on another. Raises `NotAvailable`, if the catalog is out of reach,
    and what reading raises.
    """
    who = drive.identity
    name = who.vendor, who.product, who.revision
    model = world.catalog.models.get(*name)
    known = UNKNOWN if model is None or model.knowledge is None else model.knowledge
    features = features_of(known)
    if features is not None:
        drive.adopt(features)
    questions = open_questions(drive, known) if ask else ()
    if not questions:
        return known
    limit = world.settings(who).max_speed
    if limit is not None:
        SpeedLimit(drive, limit)
    found = yield from probe(drive, questions, known, limit=AT_A_JOB)
    if features_of(found) is not None:
        world.catalog.models.learn(*name, found)
    return found
