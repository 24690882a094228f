# SPDX-License-Identifier: Apache-2.0
"""TCMU's ring: what the kernel puts in comes out, and each command gets its own answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import NotAvailable
from imagerd.devices.scsi import CHECK_CONDITION, Reply, Sense
from imagerd.devices.virtual.kernel.ring import Aborted, Request, Ring
from tests.tcmu_kernel import PAGE, Kernel

READ_10 = bytes.fromhex("28000000001000000200")


@contextmanager
def shared(**how: int) -> Iterator[tuple[Kernel, Ring]]:
    kernel = Kernel(**how)
    ring = kernel.ring()
    try:
        yield kernel, ring
    finally:
        del kernel.box  # it holds the memory
        ring.close()
        kernel.close()


def requests(ring: Ring) -> list[Request]:
    found = []
    for news in ring.requests():
        assert isinstance(news, Request)
        found.append(news)
    return found


def test_a_command_comes_out_with_its_cdb_and_the_length_of_its_transfer() -> None:
    with shared() as (kernel, ring):
        kernel.put(7, READ_10, (PAGE, 100))
        ring.wait()
        (request,) = requests(ring)
        assert (request.id, request.cdb, request.length) == (7, READ_10, PAGE + 100)
        assert requests(ring) == []


@pytest.mark.parametrize(("opcode", "size"), [(0x00, 6), (0x28, 10), (0xA8, 12), (0xBE, 12)])
def test_a_cdb_is_as_long_as_its_group_says(opcode: int, size: int) -> None:
    with shared() as (kernel, ring):
        kernel.put(1, bytes((opcode,)) + bytes(range(1, 16)))
        (request,) = requests(ring)
        assert request.cdb == bytes((opcode, *range(1, size)))


def test_what_the_host_sends_is_read_over_all_pieces() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, bytes(6), (3, 4), b"abcdefg")
        (request,) = requests(ring)
        assert ring.data_of(request) == b"abcdefg"


def test_an_answer_brings_its_data_and_says_how_many_there_are() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, READ_10, (4, 8))
        (request,) = requests(ring)
        ring.answer(request, Reply(data=b"sixsix"))
        kernel.collect()
        answer = kernel.answers[1]
        assert (answer.status, answer.data, answer.read_len) == (0, b"sixsix" + bytes(6), 6)
        assert kernel.line.recv(4) == (1).to_bytes(4, "little")


def test_a_sense_is_delivered_in_the_fixed_format_with_the_bytes_before_the_error() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, READ_10, (8,))
        (request,) = requests(ring)
        ring.answer(request, Reply(CHECK_CONDITION, b"good", Sense(3, 0x11, 5, information=17)))
        kernel.collect()
        answer = kernel.answers[1]
        assert Sense.parse(answer.sense) == Sense(3, 0x11, 5, information=17)
        assert (answer.status, answer.data[:4], answer.read_len) == (2, b"good", 4)


def test_nothing_of_another_command_is_left_in_a_buffer_that_the_drive_did_not_fill() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, READ_10, (64,), b"secret" * 10)
        (request,) = requests(ring)
        ring.answer(request, Reply())
        kernel.collect()
        assert kernel.answers[1].data == bytes(64)


def test_more_than_the_host_asked_for_goes_nowhere() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, READ_10, (4,))
        kernel.put(2, READ_10, (4,))
        first, _ = requests(ring)
        ring.answer(first, Reply(data=b"longer than four"))
        kernel.collect()
        assert kernel.answers[1].data == b"long"
        assert kernel.answers[1].read_len == 4


def test_an_abort_names_commands_and_leaves_them_to_be_answered() -> None:
    with shared() as (kernel, ring):
        kernel.put(1, READ_10)
        kernel.put(2, READ_10)
        kernel.abort(2, 9)
        first, second, aborted = list(ring.requests())
        assert aborted == Aborted(frozenset({2, 9}))
        assert isinstance(first, Request)
        assert isinstance(second, Request)
        ring.answer(second, Reply())
        ring.answer(first, Reply())
        ring.skip_idle()
        kernel.collect()
        assert kernel.answers.keys() == {1, 2}
        assert kernel.done == kernel.box.cmd_head


def test_a_ring_of_another_version_is_refused() -> None:
    kernel = Kernel(version=3)
    del kernel.box
    with pytest.raises(NotAvailable, match="version 3"):
        kernel.ring()
    kernel.close()


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.integers(1, 200), max_size=4)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("abort"), st.integers(0, 3)),
    ),
    max_size=120,
)


@given(_steps)
def test_whatever_the_order_each_command_gets_its_own_answer_round_and_round(
    steps: list[tuple[str, object]],
) -> None:
    with shared(size=1024) as (kernel, ring):
        waiting: list[Request] = []
        expected: dict[int, bytes] = {}
        number = 0
        for what, detail in steps:
            if what == "put" and isinstance(detail, list):
                if len(kernel.open) < 12 and kernel.put(number, READ_10, tuple(detail)):
                    expected[number] = number.to_bytes(2, "big") * (sum(detail) // 2)
                    number += 1
            elif what == "abort" and isinstance(detail, int):
                kernel.abort(*range(detail))
            elif waiting and isinstance(detail, int):
                chosen = waiting.pop(detail % len(waiting))
                ring.answer(chosen, Reply(data=expected[chosen.id]))
            waiting += [news for news in ring.requests() if isinstance(news, Request)]
            ring.skip_idle()
            kernel.collect()
        for request in reversed(waiting):
            ring.answer(request, Reply(data=expected[request.id]))
        ring.skip_idle()
        kernel.collect()
        assert kernel.answers.keys() == expected.keys()
        for each, data in expected.items():
            assert kernel.answers[each].data[: len(data)] == data
        assert kernel.done == kernel.box.cmd_head
