# SPDX-License-Identifier: Apache-2.0
"""What happens at a drive, and what must come of it: a function for each kind of episode.

An episode begins with an open tray and ends with one. It has one cycle or more, a cycle being one
insertion (or one closing of an empty tray).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.soak.discs import SLOW, Disc, a_scratch
from tests.soak.hands import Hands, Violation

Episode = Callable[[Hands], None]
_ANY = 1.2  # seconds: the whole of a job, and a little more
_POLL = 0.1  # the watcher's interval between two looks


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of episode: how often it comes, and what must hold, for the table."""

    name: str
    episode: Episode
    weight: int
    outcome: str


# -- nothing out of the ordinary ----------------------------------------------------------------


def plain(hands: Hands) -> None:
    """A data disc."""
    _ordinary(hands, hands.press.data(hands.rng))


def mixed(hands: Hands) -> None:
    """Data and audio."""
    _ordinary(hands, hands.press.mixed(hands.rng))


def again(hands: Hands) -> None:
    """A disc that is in the archive."""
    if not hands.shelf:
        plain(hands)
    disc = hands.rng.choice(hands.shelf)
    before = hands.bench.ledger.jobs[disc.label]
    hands.put_in(disc)
    hands.until_out(disc)
    made = hands.bench.ledger.images[disc.label]
    hands.expect(disc, " ".join([*before, "skipped"]), images=made)


def scratched(hands: Hands) -> None:
    """A disc with a scratch, and the same one polished."""
    disc, scratch = hands.press.data(hands.rng), a_scratch(hands.rng)
    hands.put_in(disc, scratch.plan)
    hands.until_out(disc)
    hands.expect_damaged(disc, scratch)
    _in_again(hands, disc, "done", images=2, begun=2)


def unreadable(hands: Hands) -> None:
    """A disc of a kind that the drive cannot read."""
    disc = hands.press.too_large(hands.rng)
    address = f"virtual:{hands.control.path}"
    before = hands.book.jobs_without_disc(address)
    hands.put_in(disc)
    hands.until_out(disc)
    made = hands.book.jobs_without_disc(address)[len(before) :]
    if [job.state for job in made] != ["failed"] or "cannot read this" not in made[0].sentence:
        raise Violation(f"an unreadable disc came to {made}")
    hands.bench.ledger.failed_without_disc()
    hands.control.take()
    disc.discard()


def empty(hands: Hands) -> None:
    """The tray is closed with nothing in it, looked at, and opened again."""
    hands.let_go()
    hands.count()
    mark = hands.bench.ear.mark()
    hands.control.press_eject()
    hands.until_looked()
    hands.expect_tray(opened=False)
    view = hands.bench.ear.drive(hands.name, mark)
    if view is not None and view.state != "empty":
        raise Violation(f"an empty drive is {view.state}: {view.sentence}")
    hands.control.press_eject()


# -- discs that are not left in peace -----------------------------------------------------------


def forced_out(hands: Hands) -> None:
    """Taken out by force while it is read, and put in again: the job goes on."""
    disc = _being_read(hands)
    hands.control.remove()
    if hands.rng.random() < 0.5:
        job = hands.until_job(disc, "paused")
        if "put it back" not in job.sentence:
            raise Violation(f"{disc.label} was taken out, and its job says: {job.sentence}")
    else:
        hands.pause(0.2)
    _in_again(hands, disc, "done", begun=2)


def forced_out_anytime(hands: Hands) -> None:
    """Taken out by force at whatever moment, and put in again."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, _maybe_slow(hands.rng))
    hands.pause(_ANY)
    hands.control.remove()
    hands.pause(hands.rng.choice((0.01, 0.7)))
    _in_again(hands, disc, "done", "done skipped")


def swapped(hands: Hands) -> None:
    """Exchanged before the next look at the drive; the first is not lost, either."""
    _swap(hands, hands.press.data(hands.rng), None, _POLL)


def swapped_anytime(hands: Hands) -> None:
    """Exchanged by force at whatever moment."""
    _swap(hands, hands.press.data(hands.rng), _maybe_slow(hands.rng), _ANY)


def button(hands: Hands) -> None:
    """The button while it is read: the tray opens afterwards, and not on the next disc."""
    disc = _being_read(hands)
    if hands.control.press_eject().moved:
        raise Violation(f"the button opened the tray while {disc.label} was read")
    hands.until_out(disc)
    hands.expect(disc, "done")
    hands.put_on_shelf(disc)
    plain(hands)


def button_anytime(hands: Hands) -> None:
    """The button at whatever moment; a tray that moved is pushed in again."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, _maybe_slow(hands.rng))
    hands.pause(_ANY)
    moved = hands.control.press_eject().moved
    if moved and hands.control.state().tray_open:
        hands.pause(0.5)
        hands.count()
        hands.control.close_tray()
    hands.until_out(disc)
    hands.expect(disc, "done", "done skipped")
    hands.put_on_shelf(disc)


# -- drives and daemons that are not left in peace ----------------------------------------------


def unplugged(hands: Hands) -> None:
    """The plug is pulled while a disc is read; plugged in again, the job goes on."""
    disc = _being_read(hands)
    _unplug(hands)
    hands.until_out(disc)
    hands.expect(disc, "done", begun=2)
    hands.put_on_shelf(disc)


def unplugged_anytime(hands: Hands) -> None:
    """The plug is pulled at whatever moment."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, _maybe_slow(hands.rng))
    hands.pause(_ANY)
    _unplug(hands)
    hands.until_out(disc)
    hands.expect(disc, "done", "done skipped")
    hands.put_on_shelf(disc)


def unplugged_idle(hands: Hands) -> None:
    """A disc that is put in while the drive is unplugged is found when it is back."""
    disc = hands.press.data(hands.rng)
    hands.control.unplug()
    hands.pause(0.7)
    hands.put_in(disc)
    hands.control.replug()
    hands.until_out(disc)
    hands.expect(disc, "done")
    hands.put_on_shelf(disc)


def killed(hands: Hands) -> None:
    """The worker is killed: another one goes on."""
    disc = _being_read(hands)
    workers = hands.workers()
    if len(workers) != 1:
        raise Violation(f"{len(workers)} workers are at {disc.label}")
    hands.kill(workers[0])
    hands.until_out(disc)
    hands.expect(disc, "done", begun=2)
    hands.put_on_shelf(disc)


def cancelled(hands: Hands) -> None:
    """The job is cancelled: the disc stays, and `retry` reads the rest."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, SLOW)
    client, job = hands.bench.station.client, hands.until_reading(disc)
    client.cancel(job)
    hands.until_job(disc, "cancelled")
    hands.until_state("loaded")
    hands.expect_tray(opened=False)
    client.retry(job)
    hands.until_out(disc)
    hands.expect(disc, "done", begun=2)
    hands.put_on_shelf(disc)


def reloaded(hands: Hands) -> None:
    """SIGHUP at whatever moment of a job, with a good or a wrong file."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, _maybe_slow(hands.rng))
    hands.pause(_ANY)
    hands.reload()
    hands.until_out(disc)
    hands.expect(disc, "done")
    hands.put_on_shelf(disc)


def passed_on(hands: Hands) -> None:
    """Half read in one drive, read to the end in the other."""
    disc = hands.take_over()
    if disc is not None:
        _in_again(hands, disc, "done", begun=2)
        return
    disc = _being_read(hands)
    hands.control.remove()
    hands.until_job(disc, "paused")
    hands.hand_over(disc)


def guest(hands: Hands) -> None:
    """A third drive comes, images a disc, and goes."""
    disc = hands.press.data(hands.rng)
    with hands.guest() as other:
        other.put_in(disc)
        other.until_out(disc)
        other.expect(disc, "done")
    hands.put_on_shelf(disc)


KINDS = (
    Kind("plain", plain, 26, "done; the image is the disc; the tray opens"),
    Kind("data and audio", mixed, 8, "the same, as .cue with .bin"),
    Kind("the same again", again, 18, "skipped by policy; the tray opens"),
    Kind("scratched, polished", scratched, 3, "partial, the account exact; then done"),
    Kind("unreadable", unreadable, 4, "failed, on record; the tray opens"),
    Kind("empty tray", empty, 8, "nothing happens"),
    Kind("forced out, reading", forced_out, 4, "paused; put back, the same job is done"),
    Kind("forced out, any time", forced_out_anytime, 4, "put back, done; never two images"),
    Kind("swapped before a look", swapped, 4, "the second is done; the first, put in again, too"),
    Kind("swapped, any time", swapped_anytime, 4, "the same"),
    Kind("button, reading", button, 4, "done; opens afterwards, and not on the next disc"),
    Kind("button, any time", button_anytime, 3, "done, at the latest when the tray is shut again"),
    Kind("unplugged, reading", unplugged, 3, "plugged in again, the same job is done"),
    Kind("unplugged, any time", unplugged_anytime, 3, "plugged in again, done"),
    Kind("unplugged, idle", unplugged_idle, 2, "a disc put in meanwhile is found"),
    Kind("worker killed", killed, 2, "another worker goes on with the same job"),
    Kind("cancelled, retried", cancelled, 2, "cancelled, the disc stays; then done"),
    Kind("reloaded", reloaded, 4, "SIGHUP with good or wrong files disturbs no job"),
    Kind("passed on", passed_on, 2, "begun in one drive, done in the other"),
    Kind("guest drive", guest, 1, "a third drive comes, does its job and goes"),
)


# -- parts of episodes --------------------------------------------------------------------------


def _ordinary(hands: Hands, disc: Disc) -> None:
    hands.put_in(disc)
    hands.until_out(disc)
    hands.expect(disc, "done")
    hands.put_on_shelf(disc)


def _being_read(hands: Hands) -> Disc:
    """A new disc, just when it is read."""
    disc = hands.press.data(hands.rng)
    hands.put_in(disc, SLOW)
    hands.until_reading(disc)
    return disc


def _in_again(hands: Hands, disc: Disc, *courses: str, images: int = 1, begun: int = 1) -> None:
    """Put in once more, and left in peace."""
    hands.put_in(disc)
    hands.until_out(disc)
    hands.expect(disc, *courses, images=images, begun=begun)
    hands.put_on_shelf(disc)


def _swap(hands: Hands, second: Disc, plan: str | None, most: float) -> None:
    first = hands.press.data(hands.rng)
    hands.put_in(first, plan)
    hands.pause(most)
    hands.put_in(second)
    hands.until_out(second)
    hands.expect(second, "done")
    hands.put_on_shelf(second)
    hands.expect(first, "", "paused", "done")
    _in_again(hands, first, "done", "done skipped")


def _unplug(hands: Hands) -> None:
    hands.control.unplug()
    hands.pause(hands.rng.choice((0.0, 0.3, 1.0)))
    hands.control.replug()


def _maybe_slow(rng: random.Random) -> str | None:
    return rng.choice((SLOW, None))
