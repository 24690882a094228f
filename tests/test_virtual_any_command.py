# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a host sends, the virtual drive answers as a drive: data that fit, or a sense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.scsi import CHECK_CONDITION, GOOD, Command, Direction
from imagerd.devices.virtual.commands import COMMANDS
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium, TrackMode
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.virtual_commands import drive_with

DISCS = {
    "cd": lambda: memory_disc([data(80), audio(90, pregap=20), data(40, TrackMode.MODE2)]),
    "sessions": lambda: memory_disc([audio(60), data(60, session=2)]),
    "dvd": lambda: memory_blocks(200, layers=(120,)),
    "bd": lambda: memory_blocks(200, medium=Medium.BD),
    "none": lambda: None,
}
# Bytes that mean something more often than others.
_bytes = st.one_of(st.sampled_from((0, 1, 2, 3, 0x10, 0xF8, 0xFF)), st.integers(0, 255))
_cdbs = st.tuples(
    st.sampled_from(sorted(COMMANDS)), st.lists(_bytes, min_size=11, max_size=11)
).map(lambda pair: bytes((pair[0], *pair[1])))


def drive_for(source: MemorySource | None) -> VirtualDrive:
    return drive_with(source, d8=True) if source is not None else VirtualDrive()


@pytest.mark.parametrize("disc", DISCS)
@settings(max_examples=300, deadline=None)
@given(
    cdbs=st.lists(_cdbs, min_size=1, max_size=12),
    length=st.sampled_from((0, 1, 8, 2048, 1 << 20)),
    sent=st.binary(max_size=64),
)
def test_any_bytes_get_an_answer_that_fits(
    disc: str, cdbs: list[bytes], length: int, sent: bytes
) -> None:
    drive = drive_for(DISCS[disc]())
    for cdb in cdbs:
        writes = cdb[0] in (0x15, 0x55, 0xB6)
        way = Direction.OUT if writes else Direction.IN
        reply = drive.execute(Command(cdb, way, 0 if writes else length, sent if writes else b""))
        assert reply.status in (GOOD, CHECK_CONDITION)
        assert (reply.status == CHECK_CONDITION) is (reply.sense is not None)
        assert len(reply.data) <= length
        assert reply.seconds >= 0
