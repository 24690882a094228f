# SPDX-License-Identifier: Apache-2.0
"""Taking up a line again: after a crash, a power cut, or a person's help.

The journal says what was under way; the disc may be in the input, the gripper, the tray or drive,
or a bin. First the loader must answer, so stands still; then the drive says whether it has the
disc; then the gripper is emptied; then the tray is probed. What remains unknown is recorded as
such, never guessed.
"""

from __future__ import annotations

from imagerd.devices.loaders.contract import Outcome, Place
from imagerd.devices.loaders.journal import Event, Phase, Verb
from imagerd.devices.loaders.line import Line


def settle(line: Line) -> None:
    """Bring the line to one of IDLE (drive empty), IN_DRIVE or JUDGED (disc in the closed drive).

    Raises `LineHeld` where only a person can tell.
    """
    line.stand_still()
    present = line.look()
    match line.position.phase:
        case Phase.IDLE:
            _idle(line, present)
        case Phase.LOADING:
            _loading(line, present)
        case Phase.IN_DRIVE | Phase.JUDGED:
            _in_drive(line, present)
        case Phase.UNLOADING:
            _unloading(line, present)


def cleared_by_person(line: Line) -> None:
    """Record that a person has emptied gripper, tray and drive."""
    position = line.position
    if position.phase is Phase.IDLE:
        return
    judged = position.phase in (Phase.JUDGED, Phase.UNLOADING)
    verdict = "accepted" if position.accept else "rejected"
    was = verdict if judged else "not archived"
    text = f"{was}; taken out by a person"
    line.record(Event.OUT, disc=position.disc, target=Place.UNSURE, text=text)


def _idle(line: Line, present: bool) -> None:
    if present:
        line.hold(
            f"There is a disc in {line.tray.name} that this line did not load;"
            " take it out, then resume."
        )


def _in_drive(line: Line, present: bool) -> None:
    if not present:
        line.hold(
            f"Disc {line.position.disc} should be in {line.tray.name}, but the drive sees none;"
            " find it, empty the drive, then resume and say that the line is cleared."
        )


def _loading(line: Line, present: bool) -> None:
    position = line.position
    disc = position.disc
    if present and position.verb is Verb.PROBE:
        line.hold(
            f"{line.tray.name} reports a disc after its tray was cleared; take it out by hand,"
            " then resume and say that the line is cleared."
        )
    if present:
        line.record(Event.IN_DRIVE, disc=disc, text="found in the drive when taken up again")
        return
    probing = position.verb is Verb.PROBE
    probed = probing and position.outcome is Outcome.DONE
    in_gripper = _empty_gripper(line, disc)
    on_tray = line.disc_on_tray(disc)
    if probed or in_gripper or on_tray:
        text = "not archived; cleared from the line when taken up again"
        line.record(Event.OUT, disc=disc, target=Place.REJECT, text=text)
    elif probing:
        text = "not archived; in the reject bin, if one had been loaded"
        line.record(Event.OUT, disc=disc, target=Place.UNSURE, text=text)
    else:
        line.record(Event.NO_DISC, disc=disc, text="none found when taken up again")


def _unloading(line: Line, present: bool) -> None:
    position = line.position
    said_done = position.outcome is Outcome.DONE
    if present and said_done:
        line.hold(
            f"{line.tray.name} still reports a disc although disc {position.disc} was taken out:"
            " two discs came at once, or the gripper missed; take it out by hand,"
            " then resume and say that the line is cleared."
        )
    if present:
        return  # stack.py takes it out again
    target = Place.ACCEPT if position.accept else Place.REJECT
    text = ""
    if not said_done and _empty_gripper(line, position.disc):
        text = f"was on its way to the {target} bin; its gripper was emptied into the reject bin"
        target = Place.REJECT if target is Place.REJECT else Place.UNSURE
    line.record(Event.OUT, disc=position.disc, target=target, text=text)


def _empty_gripper(line: Line, disc: int) -> bool:
    """Whether the gripper held a disc, which then is in the reject bin."""
    if not line.loader.can_recover:
        line.hold(
            f"{line.loader.name} may hold disc {disc} in its gripper; empty gripper, tray and"
            " drive by hand, then resume and say that the line is cleared."
        )
    claim = line.send(Verb.RECOVER, disc)
    if not claim.understood:
        line.hold(
            f"{line.loader.name} {claim} while it emptied its gripper; look at it, then resume."
        )
    return claim.done
