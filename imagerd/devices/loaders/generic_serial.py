# SPDX-License-Identifier: Apache-2.0
"""The generic robot: one ASCII letter a command, X or E for an answer.

Letters, text replies and quirks come from a profile table, as they differ between makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.devices.loaders.contract import (
    Announce,
    Claim,
    Holding,
    Inventory,
    LoaderStatus,
    Motion,
    Outcome,
    Place,
)
from imagerd.devices.loaders.profile import Profile, Step, load_profile
from imagerd.devices.loaders.registry import Context
from imagerd.devices.loaders.serial_line import SerialLine, Wire

_CODE = re.compile(rb"(?<!\d)(\d\d)(?!\d)")
_ARM = Motion(Place.GRIPPER, Place.GRIPPER)


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Outcome
    reply: str


class GenericSerialLoader:
    """A robot of the one-letter family on a serial port. Implements `Loader`."""

    def __init__(self, url: str, profile: Profile, wire: Wire | None = None) -> None:
        """Open the port `url`, unless `wire` is an open line already."""
        self.profile = profile
        self.url = url
        tick = min(profile.timing.quiet, 0.02)
        self._line = SerialLine(url, profile.line, tick=tick) if wire is None else wire
        self._greeted = False
        self._still = False  # whether it is known to have ended its last motion

    @property
    def name(self) -> str:
        """Profile and port."""
        return f"{self.profile.name} robot on {self.url}"

    def inventory(self) -> Inventory:
        """The three bins; the family cannot count."""
        return Inventory((Holding(Place.INPUT), Holding(Place.ACCEPT), Holding(Place.REJECT)))

    def load(self, announce: Announce, *, drive: int = 0, bank: int = 0) -> Claim:
        """Input → tray. `drive` is whichever tray is open; only bank 0 is known to the family."""
        if bank:
            raise NotAvailable(f"{self.name} loads from one input bin only, not from bank {bank}.")
        claim = self._steps(self.profile.commands.load, announce)
        refused = claim.outcome is Outcome.REFUSED
        if refused and self.profile.quirks.error_on_low_stack:
            return Claim(Outcome.DOUBTFUL, claim.motion, claim.reply, claim.code, claim.none_left)
        return claim

    def unload(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Tray → accept bin."""
        return self._steps(self.profile.commands.unload, announce)

    def reject(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Tray → reject bin, by way of the gripper."""
        return self._steps(self.profile.commands.reject, announce)

    def home(self, announce: Announce) -> Claim:
        """Calibrate. A unit without that letter rests already."""
        if not self.profile.commands.home:
            return Claim(Outcome.DONE, _ARM)
        return self._steps(self.profile.commands.home, announce)

    @property
    def can_recover(self) -> bool:
        """Whether the profile has a letter that drops what the gripper holds."""
        return bool(self.profile.commands.clear)

    @property
    def can_probe(self) -> bool:
        """The gripper feels whether it has a disc."""
        return True

    def recover(self, announce: Announce) -> Claim:
        """Drop what the gripper holds into the reject bin."""
        if not self.can_recover:
            raise NotAvailable(f"{self.name} cannot empty its gripper; take the disc out by hand.")
        return self._steps(self.profile.commands.clear, announce)

    def status(self) -> LoaderStatus:
        """Ask for its status, or its version; a busy robot answers when its motion has ended."""
        commands = self.profile.commands
        if not commands.status and not commands.version:
            return self._mute_status()
        self._greet()
        for timeout in (self.profile.timing.move, self.profile.timing.text):
            text = self._ask(commands.status or commands.version, timeout)
            if text:
                self._still = True
                return self._spoken(text)
        return self._no_answer()

    def close(self) -> None:
        """Let go of the port."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _steps(self, steps: tuple[Step, ...], announce: Announce) -> Claim:
        """Each step after the last has succeeded; the claim of the last one tried."""
        self._greet()
        claim = Claim(Outcome.DONE, _ARM)
        for step in steps:
            announce(step.motion)
            answer = self._move(step.send)
            code = self._code() if answer.outcome is Outcome.REFUSED else None
            empty = self.profile.source_empty(step.motion, code)
            claim = Claim(answer.outcome, step.motion, answer.reply, code, empty)
            if not claim.done:
                return claim
        return claim

    def _move(self, letter: str) -> _Answer:
        timing, replies = self.profile.timing, self.profile.replies
        self._line.drain()
        self._still = False
        self._line.send(letter.encode("ascii"))
        heard = self._line.listen(timing.move, timing.quiet).strip()
        reply = heard.decode("latin-1")  # which can be any bytes
        known = {replies.success: Outcome.DONE, replies.failure: Outcome.REFUSED}
        silent = Outcome.GARBLED if heard else Outcome.SILENT
        outcome = known.get(reply, silent)
        self._still = reply in known
        return _Answer(outcome, reply)

    def _code(self) -> int | None:
        """Its status code after a refusal, if it has any and tells it."""
        command = self.profile.commands.status
        found = _CODE.search(self._ask(command, self.profile.timing.text)) if command else None
        return int(found[1]) if found else None

    def _ask(self, letter: str, timeout: float) -> bytes:
        """The text that follows `letter`. A late X or E before it belongs to an earlier move."""
        self._line.drain()
        self._line.send(letter.encode("ascii"))
        return self._line.listen(timeout, self.profile.timing.quiet).strip()

    def _greet(self) -> None:
        """The sign-on that some units want before anything else; once."""
        if self._greeted:
            return
        self._greeted = True
        if self.profile.quirks.sign_on and self.profile.commands.version:
            self._ask(self.profile.commands.version, self.profile.timing.text)

    def _spoken(self, text: bytes) -> LoaderStatus:
        found = _CODE.search(text) if self.profile.commands.status else None
        if found is None:
            said = text.decode("ascii", "backslashreplace")
            return LoaderStatus(True, f"{self.name} answers {said!r}.")
        code = int(found[1])
        return LoaderStatus(True, f"{self.name}: {self.profile.meaning(code)}.", code)

    def _mute_status(self) -> LoaderStatus:
        """A unit that cannot be asked stands still once it has been quiet as long as a move."""
        if not self._still:
            timing = self.profile.timing
            self._still = True
            self._line.listen(timing.move, timing.quiet)
        return LoaderStatus(True, f"{self.name} cannot be asked for its status.")

    def _no_answer(self) -> LoaderStatus:
        return LoaderStatus(
            False,
            f"{self.name} gives no answer; look at cable and power, switch it off and on if it"
            " hangs, then resume.",
        )


def create(rest: str, context: Context) -> GenericSerialLoader:
    """A loader for ``serial:PORT[,profile=NAME]``; `rest` is what follows ``serial:``."""
    return GenericSerialLoader(*_parse(rest, context))


def check(rest: str, context: Context) -> None:
    """Raise `BadInput` for a `rest` of which `create` could make no loader."""
    _parse(rest, context)


def _parse(rest: str, context: Context) -> tuple[str, Profile]:
    url, *options = rest.split(",")
    given = dict(option.partition("=")[::2] for option in options)
    unknown = set(given) - {"profile"}
    if not url or unknown:
        raise BadInput(
            f"{'serial:' + rest!r} is no loader; write serial:/dev/ttyUSB0,profile=generic."
        )
    return url, load_profile(given.get("profile", context.profile))
