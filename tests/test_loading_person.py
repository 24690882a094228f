# SPDX-License-Identifier: Apache-2.0
"""A person as a loader of a real imagerd: asked where everybody sees it, answered by the tray."""

from __future__ import annotations

import threading

from imagerd.daemon.client import Client
from imagerd.devices.loaders.journal import Phase, position_of, read_journal
from imagerd.devices.virtual.client import VirtualControl
from tests.loading_rig import Disc, data_disc, virtual_drive
from tests.station import Station, station

TABLE = '[loader.desk]\ndriver = "person"\ndrive = "demo"\n'
PUT = "Put the next disc into demo"
TAKE = "Take the disc out of demo"


class Person:
    """Reads the sentence in the event stream, and does what it says."""

    def __init__(self, client: Client, control: VirtualControl, discs: list[Disc]) -> None:
        self.read: list[str] = []
        self.pile: list[Disc] = []
        self._client = client
        self._control = control
        self._discs = discs
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        for notice in self._client.events():
            loader = notice.loader
            if loader is None or "It stops" in loader.sentence:
                continue
            if loader.sentence not in self.read[-1:]:
                self.read.append(loader.sentence)
                self._do(loader.sentence)

    def _do(self, sentence: str) -> None:
        if sentence.startswith(PUT) and self._discs:
            disc = self._discs.pop(0)
            self._control.place(disc.image, disc.faults)
            self._control.close_tray()
        elif sentence.startswith(PUT):
            self._client.loader("desk", "stop")
        elif sentence.startswith(TAKE):
            self._control.take()
            self._control.close_tray()


def asked(here: Station) -> bool:
    return here.client.loaders()[0].sentence.startswith(PUT)


def test_a_person_works_a_pile_by_the_sentences_and_the_tray() -> None:
    with station(extra=TABLE, start=False) as here:
        control = virtual_drive(here)
        try:
            here.start()
            here.until(lambda: bool(here.client.drives()), "the drive to be found")
            here.client.loader("desk", "run")
            here.until(lambda: asked(here), "the prompt")
            assert PUT in here.ctl("loader", "list")
            assert PUT in here.ctl("status")
            assert here.stop() == 0  # nobody comes today

            journal = here.folder / "state/loaders/desk.jsonl"
            assert position_of(read_journal(journal)).phase is Phase.LOADING
            here.start()
            here.until(lambda: bool(here.client.drives()), "the drive to be found")
            scratch = "[[sectors]]\nwhat = 'unreadable'\nlba = 150\n"
            discs = [data_disc(here.folder, "GOOD"), data_disc(here.folder, "BAD", 420, scratch)]
            person = Person(here.client, control, discs)
            here.client.loader("desk", "run")
            here.until(lambda: not here.client.loaders()[0].running, "the run to end")
            ended = here.client.loaders()[0]
            assert ended.sentence == "The input is empty."
            assert (ended.accepted, ended.rejected, ended.held) == (1, 1, False)
            states = [(job.name, job.state) for job in here.client.jobs(everything=True)]
            assert states == [("BAD", "partial"), ("GOOD", "done")]
            here.stop()
            person.thread.join(10)
            tasks = [said[: len(TAKE)] for said in person.read if said.startswith((PUT, TAKE))]
            assert tasks == [PUT[: len(TAKE)], TAKE] * 2 + [PUT[: len(TAKE)]]
            assert any("put it aside" in said for said in person.read)
        finally:
            control.quit()
