# SPDX-License-Identifier: Apache-2.0
"""The nursery: each order gets a process of its own, and every end of one is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.soak.census import nursery_of
from tests.station import station
from tests.test_daemon_discs import settled
from tests.test_daemon_signals import disc, reading

_SET_UP = """
import asyncio, gc, os, signal, sys, time
from imagerd.daemon.nursery import open_nursery

def work(order):
    if order == b"gc":
        print(gc.get_freeze_count() > 1000, flush=True)
    if order == b"fds":
        print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1], flush=True)
    if order == b"raise":
        raise RuntimeError("as ordered")
    if order in (b"hang", b"early"):
        print(os.getpid(), flush=True)
    if order == b"early":  # a signal that comes before anybody minds it
        time.sleep(0.5)
    if order in (b"hang", b"early"):
        signal.signal(signal.SIGTERM, lambda *_: (print("told to stop", flush=True), os._exit(4)))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        time.sleep(60)
    return 7

async def run(order, during=None):
    out, to = os.pipe()
    child = await nursery.bear(order, to)
    os.close(to)
    if during is not None:
        await during(child)
    code = await asyncio.wait_for(child.wait(), 20)
    child.send(signal.SIGKILL)  # it is gone: nobody else may be hit
    return code, open(out).read()

async def watched(test):
    watch = asyncio.create_task(nursery.watch())
    await asyncio.sleep(0)
    try:
        return await test(watch)
    finally:
        watch.cancel()
"""


def _program(body: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a daemon of a few lines, whose event loop runs `body`."""
    head = f"{_SET_UP}\n{textwrap.dedent(before)}\nnursery = open_nursery(work)"
    test = "async def test(watch):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return subprocess.run(
        [sys.executable, "-c", f"{head}\n{test}\nasyncio.run(watched(test))\nnursery.close()"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _says(body: str) -> list[str]:
    done = _program(body)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def test_the_exit_code_and_the_output_of_each_order_come_back() -> None:
    assert _says("""
        print(await run(b"plain"))
        both = await asyncio.gather(*(run(b"gc") for _ in range(20)))
        print(set(both))
    """) == ["(7, '')", r"{(7, 'True\n')}"]


def test_a_worker_has_nothing_open_but_the_three_standard_streams() -> None:
    assert _says("""
        async def another(child): await run(b"plain")
        print(await run(b"fds", another), await run(b"fds"))
    """) == [r"(7, '[0, 1, 2]\n') (7, '[0, 1, 2]\n')"]


def test_a_worker_that_raises_ends_with_the_code_of_a_bug_and_its_traceback() -> None:
    done = _program('print(await run(b"raise"))')
    assert done.stdout == "(70, '')\n"
    assert done.stderr.rstrip().endswith("RuntimeError: as ordered")


def test_a_killed_worker_is_told_of_with_its_signal() -> None:
    assert _says("""
        async def kill(child): child.send(signal.SIGKILL)
        code, _ = await run(b"hang", kill)
        print(code)
    """) == ["-9"]


def test_an_order_for_which_there_is_no_process_left_is_refused_and_the_next_is_not() -> None:
    done = _program(
        """
        try:
            await run(b"plain")
        except OSError as error:
            print(error.errno == errno.EAGAIN)
        print(await run(b"plain"))
        """,
        before="""
        import errno
        forks, fork = [], os.fork
        def full():
            forks.append(None)
            if len(forks) == 2:  # the first makes the nursery
                raise OSError(errno.EAGAIN, "full")
            return fork()
        os.fork = full
        """,
    )
    assert (done.stdout, done.stderr) == ("True\n(7, '')\n", "")


def test_a_signal_that_comes_before_the_worker_has_a_handler_is_not_lost() -> None:
    (line,) = _says("""
        async def stop(child): child.send(signal.SIGTERM)
        code, said = await run(b"early", stop)
        print(code, said.splitlines()[1:])
    """)
    assert line == "4 ['told to stop']"


def test_without_its_nursery_the_daemon_fails_and_the_workers_are_told_to_stop() -> None:
    done = _program("""
        async def kill(child):
            await asyncio.sleep(0.5)
            os.kill(nursery._pid, signal.SIGKILL)
        print(await run(b"hang", kill))
        try:
            await run(b"plain")
        except OSError as error:
            print("no more")
        await watch
    """)
    assert "(-1, '" in done.stdout and "told to stop" in done.stdout
    assert "no more" in done.stdout
    assert "InternalError: The process that workers come from is gone." in done.stderr


@pytest.mark.parametrize("end", ["nursery.close()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_when_the_daemon_ends_however_it_does_its_workers_are_told_to_stop(end: str) -> None:
    done = _program(f"""
        await nursery.bear(b"hang", 1)  # it writes where this program's output goes
        await asyncio.sleep(0.5)
        watch.cancel()
        {end}
        os._exit(0)
    """)
    assert done.stdout.splitlines()[1:] == ["told to stop"]


def test_imagerd_without_its_nursery_ends_as_a_bug_and_its_job_goes_on_in_the_next() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=3.0)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        assert here.daemon is not None
        os.kill(nursery_of(here.daemon.pid), signal.SIGKILL)
        assert here.daemon.wait(60) == 70
        assert "The process that workers come from is gone." in here.log.read_text()
        here.until(lambda: not here.workers(), "the worker to stop")
        here.start()
        settled(here, "done")
        here.tidy()
