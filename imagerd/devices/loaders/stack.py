# SPDX-License-Identifier: Apache-2.0
"""An unattended run: load, archive, accept or reject, until the input is empty.

Every motion is journalled before it is sent and confirmed by the drive after. Where loader and
drive disagree the line is held with one sentence; the same call later takes it up again, as after a
crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from imagerd.base.errors import DriveLost, MediumError, OperatorError
from imagerd.devices.loaders.contract import Claim, LineHeld, Loader, Outcome, Place, Tray
from imagerd.devices.loaders.journal import Event, Phase, StackJournal, Verb
from imagerd.devices.loaders.line import Limits, Line, Tell
from imagerd.devices.loaders.settle import cleared_by_person, settle


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the archive decided about a disc: into which bin, and why."""

    accept: bool
    note: str = ""


Archive = Callable[[int], Verdict | None]
"""Archives the disc in the drive; its argument is the disc's number in the journal.

None leaves the disc in the drive and stops the run. After a crash it is called again for a disc
whose verdict was not yet recorded, so a second call for one number must be harmless. `MediumError`
rejects the disc, `OperatorError` and `DriveLost` hold the line.
"""


class End(StrEnum):
    """Why a run ended."""

    EMPTY = "empty"  # the loader's status says that the input is empty
    CANNOT_PICK = "cannot pick"  # it only says that it failed, again and again
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StackReport:
    """How a run ended. The counts are of the stack, over all the runs that it took."""

    ended: End
    accepted: int
    rejected: int
    unsure: int
    sentence: str


class StackRun:
    """One stack through one drive. Build one per run; `run` once."""

    def __init__(
        self,
        loader: Loader,
        tray: Tray,
        archive: Archive,
        journal: StackJournal,
        *,
        expect: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        limits: Limits | None = None,
        tell: Tell | None = None,
        drive: int = 0,
    ) -> None:
        """`expect` is how many discs the stack was counted to hold, if it was.

        `stop` is asked between discs; `tell` is shown each entry of the journal once it is safe.
        """
        self._line = Line(loader, tray, journal, limits or Limits(), tell, drive)
        self._archive = archive
        self._expect = expect
        self._stop = stop

    def run(self, *, cleared: bool = False) -> StackReport:
        """Work until the input is empty; from the journal's position if it has one.

        `cleared` says that a person has emptied gripper, tray and drive since. Raises `LineHeld`
        with one sentence; nothing moves after that.
        """
        line = self._line
        try:
            line.record(Event.RUN, text=f"{line.loader.name}, {line.tray.name}")
            if cleared:
                cleared_by_person(line)
            settle(line)
            ended = self._work()
        except (MediumError, OperatorError) as error:
            line.record(Event.HELD, disc=line.position.disc, text=str(error))
            if isinstance(error, LineHeld):
                raise
            raise LineHeld(f"The line is held: {error}") from error
        report = self._report(ended)
        line.record(Event.STOPPED if ended is End.STOPPED else Event.END, text=report.sentence)
        return report

    def _work(self) -> End:
        while True:
            position = self._line.position
            if position.phase is Phase.IN_DRIVE and not self._judge(position.disc):
                return End.STOPPED
            if self._line.position.phase in (Phase.JUDGED, Phase.UNLOADING):
                self._put_away()
            if self._stop():
                return End.STOPPED
            ended = self._load(self._line.position.disc + 1)
            if ended is not None:
                return ended

    def _judge(self, disc: int) -> bool:
        """Have the disc archived; False if the archive wants to stop here."""
        try:
            verdict = self._archive(disc)
        except DriveLost:
            raise
        except MediumError as error:
            verdict = Verdict(False, str(error))
        if verdict is None:
            return False
        self._line.record(Event.VERDICT, disc=disc, accept=verdict.accept, text=verdict.note)
        return True

    def _load(self, disc: int) -> End | None:
        """Bring in the next disc: IN_DRIVE after, or IDLE if it was one that no drive can see."""
        line = self._line
        for _ in range(line.limits.tries):
            line.open()
            claim = line.send(Verb.LOAD, disc)
            if line.look():
                self._arrived(claim, disc)
                return None
            if not claim.understood:
                self._doubt(claim, f"{line.tray.name} sees no disc")
            if claim.motion.source is Place.GRIPPER and not claim.done:
                self._doubt(claim, "its gripper holds the disc")
            if not claim.none_left and line.disc_on_tray(disc):
                text = f"{line.tray.name} sees no disc where one was: upside down, or unreadable"
                line.record(Event.OUT, disc=disc, target=Place.REJECT, text=text)
                return None
            if claim.done:
                self._doubt(claim, f"{line.tray.name} sees no disc and its tray is empty")
            line.record(Event.NO_DISC, disc=disc, text=str(claim))
            if claim.none_left:
                return End.EMPTY
        return End.CANNOT_PICK

    def _arrived(self, claim: Claim, disc: int) -> None:
        """The drive has a disc; go on unless the loader says that it cannot be."""
        if claim.outcome is Outcome.REFUSED:
            self._doubt(claim, f"{self._line.tray.name} reports a disc")
        self._line.record(Event.IN_DRIVE, disc=disc, text="" if claim.done else str(claim))

    def _put_away(self) -> None:
        """Bring the disc in work to its bin."""
        line = self._line
        disc, accept = line.position.disc, line.position.accept
        verb, target = (Verb.UNLOAD, Place.ACCEPT) if accept else (Verb.REJECT, Place.REJECT)
        for _ in range(line.limits.tries):
            line.open()
            claim = line.send(verb, disc)
            present = line.look()
            if claim.done and not present:
                line.record(Event.OUT, disc=disc, target=target)
                return
            if claim.done:
                line.hold(
                    f"{line.tray.name} still reports a disc after {line.loader.name} took one:"
                    " two discs came at once, or the gripper missed; take it out by hand,"
                    " then resume and say that the line is cleared."
                )
            if not present:
                self._doubt(claim, f"{line.tray.name} sees no disc")
            if not claim.understood:  # it may have taken one of two: never again without a look
                self._doubt(claim, f"{line.tray.name} still reports a disc")
        self._doubt(claim, f"disc {disc} is still in {line.tray.name}")

    def _doubt(self, claim: Claim, but: str) -> None:
        line = self._line
        line.hold(f"{line.loader.name} {claim}, and {but}; look where the disc is, then resume.")

    def _report(self, ended: End) -> StackReport:
        position = self._line.position
        count = position.accepted + position.rejected + position.unsure
        sentence = {
            End.EMPTY: "The input is empty.",
            End.CANNOT_PICK: (
                f"{self._line.loader.name} can pick no more discs and the drive is empty; look"
                " whether input and gripper are empty too."
            ),
            End.STOPPED: "Stopped as asked; resume to go on.",
        }[ended]
        if self._expect is not None and ended is not End.STOPPED and count != self._expect:
            sentence += f" {self._expect} discs were expected, and {count} came: count the bins."
        return StackReport(ended, position.accepted, position.rejected, position.unsure, sentence)
