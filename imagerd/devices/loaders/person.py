# SPDX-License-Identifier: Apache-2.0
"""The loader that everybody has: a person. A tray opens, a sentence asks, the drive is watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.devices.loaders.contract import (
    Announce,
    Claim,
    Holding,
    Inventory,
    LoaderStatus,
    Motion,
    Outcome,
    Place,
    Tray,
)
from imagerd.devices.loaders.prompts import Answer, Ask, Prompt, Wish
from imagerd.devices.loaders.registry import Context


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long to wait for a person, how often to look at the drive, and how long a drive
    may take to be sure that a tray was pushed in empty.
    """

    total: float = 3600.0
    look: float = 1.0
    settle: float = 90.0


class PersonLoader:
    """A person who moves discs when asked. Implements `Loader`.

    Where `ask` returns WAIT, the person needs no keyboard: pushing the tray in is the answer. The
    drive then says whether a disc came in; for a disc to take out, whether it is gone.
    """

    def __init__(
        self,
        tray: Tray,
        ask: Ask,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tray = tray
        self._ask = ask
        self._patience = patience or Patience()
        self._clock = clock
        self._sleep = sleep

    @property
    def name(self) -> str:
        """A person at a drive."""
        return f"person at {self._tray.name}"

    def inventory(self) -> Inventory:
        """The piles; nobody counted them."""
        return Inventory((Holding(Place.INPUT), Holding(Place.ACCEPT), Holding(Place.REJECT)))

    def load(self, announce: Announce, *, drive: int = 0, bank: int = 0) -> Claim:
        """Ask for the next disc."""
        sentence = f"Put the next disc into {self._tray.name}, or say that there are no more."
        return self._move(announce, Wish.LOAD, Motion(Place.INPUT, Place.DRIVE), sentence)

    def unload(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Ask to take the disc to the finished pile."""
        sentence = f"Take the disc out of {self._tray.name} and push the tray in; it is done."
        return self._move(announce, Wish.TAKE, Motion(Place.DRIVE, Place.ACCEPT), sentence)

    def reject(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Ask to put the disc aside."""
        sentence = (
            f"Take the disc out of {self._tray.name}, put it aside, and push the tray in;"
            " it needs a look."
        )
        return self._move(announce, Wish.REJECT, Motion(Place.DRIVE, Place.REJECT), sentence)

    def status(self) -> LoaderStatus:
        """A person is always there, until shown otherwise."""
        return LoaderStatus(True, f"{self.name} is asked when needed.")

    def home(self, announce: Announce) -> Claim:
        """Nothing to bring home."""
        return Claim(Outcome.DONE, Motion(Place.GRIPPER, Place.GRIPPER))

    @property
    def can_recover(self) -> bool:
        """A person can always look."""
        return True

    @property
    def can_probe(self) -> bool:
        """A person sees what lies on the tray when it opens, and is not asked to take nothing."""
        return False

    def recover(self, announce: Announce) -> Claim:
        """Ask for a disc that is in nobody's bin: DONE if one was found and put aside."""
        sentence = (
            f"If you hold a disc that was meant for {self._tray.name} or came from it,"
            " put it aside and say done; if not, say that there is none."
        )
        motion = Motion(Place.GRIPPER, Place.REJECT)
        announce(motion)
        answer = self._ask(Prompt(Wish.CLEAR, sentence, self._tray.name))
        done = answer is Answer.DONE
        return Claim(Outcome.DONE if done else Outcome.REFUSED, motion, answer)

    def close(self) -> None:
        """Nothing to let go of."""

    def _move(self, announce: Announce, wish: Wish, motion: Motion, sentence: str) -> Claim:
        announce(motion)
        prompt = Prompt(wish, sentence, self._tray.name)
        end = self._clock() + self._patience.total
        while self._clock() < end:
            answer = self._ask(prompt)
            if answer is Answer.DONE:
                return Claim(Outcome.DONE, motion, answer)
            if answer in (Answer.NONE_LEFT, Answer.CANNOT):
                none_left = answer is Answer.NONE_LEFT and motion.source is Place.INPUT
                return Claim(Outcome.REFUSED, motion, answer, none_left=none_left)
            if self._seen(motion):
                return Claim(Outcome.DONE, motion)
            self._sleep(self._patience.look)
        return Claim(Outcome.SILENT, motion)

    def _seen(self, motion: Motion) -> bool:
        """Whether the drive shows that a disc has been put in. It cannot show an open tray empty.

        So a disc to be taken out counts as gone when the tray is closed by hand without it.
        """
        if motion.target is Place.DRIVE:
            return self._tray.medium_present(0)
        if self._tray.is_open():
            return False
        return not self._tray.medium_present(self._patience.settle)


def create(rest: str, context: Context) -> PersonLoader:
    """A loader for ``person``."""
    check(rest, context)
    if context.tray is None or context.ask is None:
        raise BadInput("The loader 'person' needs a drive and a prompt.")
    return PersonLoader(context.tray, context.ask)


def check(rest: str, context: Context) -> None:
    """Raise `BadInput` for anything after ``person``."""
    if rest:
        raise BadInput(f"The loader 'person' takes no port and no profile, but has {rest!r}.")
