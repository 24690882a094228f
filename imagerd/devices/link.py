# SPDX-License-Identifier: Apache-2.0
"""A transport with manners: unit attentions noticed, changes of the medium counted.

A drive reports a changed medium, a reset or changed settings by failing the next command, whatever
it is, with a unit attention (SPC-4, 5.14). The command was not carried out and may be sent again;
what was reported must not be forgotten.
"""

from __future__ import annotations

from typing import TypeVar

from imagerd.base.errors import DriveLost, MediumError, NoMedium, UnreadableDisc, WrongDisc
from imagerd.devices.mmc import MmcCommand, ShortReply
from imagerd.devices.scsi import DID_NO_CONNECT, Command, Reply, Sense, Transport
from imagerd.devices.sense import NOT_READY, UNIT_ATTENTION, explain

R = TypeVar("R")
_ATTENTIONS = 4  # reset, medium, settings may queue up, one for each


class CommandFailed(MediumError):
    """A drive refused or failed a command that was needed. `sense` says why, if it said."""

    def __init__(self, message: str, sense: Sense | None = None) -> None:
        super().__init__(message)
        self.sense = sense


class Link:
    """Sends commands and keeps what unit attentions told.

    `media_generation` counts up when the medium was changed or taken out. `doubtful` is set when
    it may have been (the drive was reset, an event told so): compare before reading on. It and
    `settings_lost` stay set until their owner has seen to them. `holds_medium`: the drive was last
    seen with one.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.media_generation = 0
        self.doubtful = False
        self.settings_lost = False
        self.eject_requested = False
        self.holds_medium = False

    def send(self, command: Command) -> Reply:
        """Exactly one command. Raises `DriveLost`."""
        reply = self.transport.execute(command)
        if reply.host_status == DID_NO_CONNECT:
            raise DriveLost(f"{self.transport.name} no longer answers: it was unplugged.")
        if reply.sense is not None and not reply.ok:
            self._notice(reply.sense)
        return reply

    def execute(self, command: Command, generation: int | None = None) -> Reply:
        """One command, sent again after unit attentions.

        With `generation` it is for that medium only: raises `WrongDisc` rather than send it when
        the drive has told of another.
        """
        for _ in range(1 + _ATTENTIONS):
            if generation is not None:
                self.require(generation)
            reply = self.send(command)
            if reply.ok or reply.sense is None or reply.sense.key != UNIT_ATTENTION:
                break
        return reply

    def require(self, generation: int) -> None:
        """Raise `WrongDisc` if the medium is not that one any more."""
        if self.media_generation != generation:
            raise WrongDisc(
                f"The disc in {self.transport.name} was taken out or changed while it was being"
                " read; put it back and try again."
            )

    def ask(self, request: MmcCommand[R]) -> R:
        """The reply to `request`.

        Raises `NoMedium`, `UnreadableDisc` or `CommandFailed` if it was not carried out.
        """
        reply = self.execute(request.command())
        if not reply.ok:
            raise self._failure(type(request).__name__, reply)
        return request.parse(reply.data)

    def try_ask(self, request: MmcCommand[R]) -> R | None:
        """The reply to `request`, or None if the drive does not give one."""
        reply = self.execute(request.command())
        if not reply.ok:
            return None
        try:
            return request.parse(reply.data)
        except ShortReply:
            return None

    def medium_seen(self) -> None:
        """The drive says that it is ready: from now on its going counts as a change."""
        self.holds_medium = True

    def medium_gone(self) -> None:
        """The medium is or may be out."""
        if self.holds_medium:
            self.holds_medium = False
            self.media_generation += 1

    def _notice(self, sense: Sense) -> None:
        if sense.key == UNIT_ATTENTION:
            if sense.asc == 0x28:
                self.media_generation += 1
                self.settings_lost = True
            elif sense.asc == 0x29:
                self.doubtful = self.settings_lost = True
            elif sense.asc == 0x2A:
                self.settings_lost = True
            elif sense.asc == 0x5A:
                self.eject_requested = True
        elif sense.key == NOT_READY and sense.asc == 0x3A:
            # Another program may have been given the unit attention that told of the change.
            self.medium_gone()

    def _failure(self, what: str, reply: Reply) -> MediumError:
        name, sense = self.transport.name, reply.sense
        if sense is not None and sense.key == NOT_READY and sense.asc == 0x3A:
            return NoMedium(f"There is no disc in {name}; insert one.")
        if sense is not None and sense.key == NOT_READY and sense.asc == 0x30:
            return UnreadableDisc(f"{name} cannot read this kind of disc, or it lies upside down.")
        return CommandFailed(f"{name} failed the command {what}: {explain(reply)}.", sense)
