# SPDX-License-Identifier: Apache-2.0
"""A host adapter whose residue says that all came, though it did not."""

from __future__ import annotations

import ctypes
import fcntl
from collections.abc import Iterator

import pytest

from imagerd.devices.mmc import Inquiry
from imagerd.devices.mmc_read import Read12, ReadCd
from imagerd.devices.reading import good_records
from imagerd.devices.scsi import Command
from imagerd.devices.sgio import SG_IO, SgIoHeader, SgTransport

SECTOR = bytes(range(1, 197)) * 12


class Adapter:
    """Moves the first `moves` bytes of each transfer and tells no residue at all."""

    def __init__(self) -> None:
        self.moves, self.status, self.fill = 0, 0, SECTOR

    def __call__(self, fd: int, request: int, header: SgIoHeader, mutate: bool = True) -> int:
        if request != SG_IO:
            raise OSError(25, "no such ioctl")
        data = (self.fill * (1 + self.moves // len(self.fill)))[: self.moves]
        ctypes.memmove(header.dxferp, data, len(data))
        header.status, header.resid = self.status, 0
        return 0


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    made = Adapter()
    monkeypatch.setattr(fcntl, "ioctl", made)
    return made


@pytest.fixture
def transport(adapter: Adapter) -> Iterator[SgTransport]:
    adapter.moves = 0
    made = SgTransport("/dev/null", exclusive=False)
    yield made
    made.close()


@pytest.mark.parametrize("command", [ReadCd(0, 10).command(), Read12(0, 10).command()])
@pytest.mark.parametrize("records", [0, 1, 7, 10])
def test_only_what_the_drive_wrote_counts(
    adapter: Adapter, transport: SgTransport, command: Command, records: int
) -> None:
    size = command.length // 10
    adapter.moves = command.length
    assert len(transport.execute(command).data) == command.length  # an earlier, whole one
    adapter.moves = records * size
    reply = transport.execute(command)
    assert good_records(reply, size, 0, 10) == records
    assert bytes(reply.data[: records * size]) == (SECTOR * 12)[: records * size]


def test_sectors_of_zeros_are_what_the_drive_wrote(
    adapter: Adapter, transport: SgTransport
) -> None:
    adapter.fill, adapter.moves = bytes(2048), 10 * 2048
    reply = transport.execute(Read12(0, 10).command())
    assert good_records(reply, 2048, 0, 10) == 10
    assert not any(reply.data)


def test_other_replies_are_padded_with_zeros(adapter: Adapter, transport: SgTransport) -> None:
    adapter.moves = 36
    reply = transport.execute(Inquiry().command())
    assert not any(reply.data[36:])
