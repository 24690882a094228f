# SPDX-License-Identifier: Apache-2.0
"""In which form a drive gives what it reads: C2, subchannel, Q, and data asked for as audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from imagerd.devices.features import ReadFeatures
from imagerd.devices.knowledge.bench import Bench, is_refused, records_of
from imagerd.devices.knowledge.record import AsAudio, DriveKnowledge, Order
from imagerd.devices.knowledge.site import SAMPLE, Site
from imagerd.devices.mmc_read import (
    RAW,
    SUB_RAW,
    ErrorField,
    ReadCd,
    ReadCdda,
    SectorType,
    SubSelect,
)
from imagerd.devices.modes import SYNC
from imagerd.devices.sense import INVALID_OPCODE
from imagerd.disc.msf import Msf, to_bcd
from imagerd.disc.source import Bytes2D
from imagerd.sectors.scramble import scramble
from imagerd.sectors.subchannel import QPosition, parse_q, q_crc_ok, q_of

_TIMEOUT = 10.0
_NEAR = 10  # sectors that a subchannel or a sector may be out of step
_AGREE = 5  # of eight sectors; one or two may hold a catalogue number instead of a position
_POSITION = 1  # the ADR of a Q that tells one
_BCD = (1, 2, 3, 4, 5, 7, 8, 9)  # bytes of such a Q that are BCD on the disc
_LEAD_OUT = 0xAA
_HEADER = 12


def known_by(features: ReadFeatures, known: DriveKnowledge) -> DriveKnowledge:
    """`known`, with what a trial of READ CD on good sectors has shown."""
    order = Order.APART
    if features.together:
        order = Order.SUB_FIRST if features.sub_first else Order.C2_FIRST
    return replace(
        known,
        c2_sizes=(features.c2_size,) if features.c2 else (),
        raw_sub=features.raw_sub,
        order=order,
    )


def features_of(known: DriveKnowledge) -> ReadFeatures | None:
    """What READ CD can return, for a drive that need not be tried; None if it must be."""
    if known.c2_sizes is None or known.raw_sub is None or known.order is None:
        return None
    error = ErrorField.NONE
    if known.c2_sizes:
        plain = ErrorField.C2.size in known.c2_sizes
        error = ErrorField.C2 if plain else ErrorField.C2_BLOCK
    sub = SubSelect.RAW if known.raw_sub else SubSelect.NONE
    if not known.raw_sub and known.formatted_q:
        sub = SubSelect.Q
    together, sub_first = known.order is not Order.APART, known.order is Order.SUB_FIRST
    return ReadFeatures(error, sub, together, sub_first, proven=True)


def other_c2_size(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Where 294 bytes come, 296 may come as well."""
    if known.c2_sizes != (ErrorField.C2.size,):
        return known
    records = bench.read(ReadCd(site.good, SAMPLE, error=ErrorField.C2_BLOCK, timeout=_TIMEOUT))
    sizes = (ErrorField.C2.size, ErrorField.C2_BLOCK.size)
    return known if records is None else replace(known, c2_sizes=sizes)


def formatted_q(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether the 16 bytes of Q come, and in which form."""
    lba = site.telling
    request = ReadCd(lba, SAMPLE, sub=SubSelect.Q, timeout=_TIMEOUT)
    reply = bench.execute(request.command())
    if is_refused(reply):
        return replace(known, formatted_q=False)
    records = records_of(reply, request)
    if records is None:
        return known
    form = _form_of(records[:, RAW : RAW + 12], lba)
    if form is None:
        return replace(known, formatted_q=True)
    lag = form.lag if known.sub_lag is None else known.sub_lag
    return replace(known, formatted_q=True, q_binary=form.binary, q_crc=form.crc, sub_lag=lag)


def sub_lag(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """How many sectors the raw subchannel lags behind."""
    if not known.raw_sub:
        return known  # the formatted Q may tell
    lba = site.telling
    records = bench.read(ReadCd(lba, SAMPLE, sub=SubSelect.RAW, timeout=_TIMEOUT))
    if records is None:
        return known
    q = q_of(np.ascontiguousarray(records[:, RAW : RAW + SUB_RAW]))
    right = q_crc_ok(q)
    rows = [row.tobytes() if ok else None for row, ok in zip(q, right, strict=True)]
    return replace(known, sub_lag=_lag(rows, lba))


def as_audio(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """What comes of data that is asked for as CD-DA."""
    if site.data is None:
        return known
    request = ReadCd(site.data, SAMPLE, type=SectorType.CDDA, timeout=_TIMEOUT)
    reply = bench.execute(request.command())
    if is_refused(reply):
        return replace(known, as_audio=AsAudio.REFUSED)
    records = records_of(reply, request)
    return known if records is None else replace(known, as_audio=_data_in(records, site.data))


def read_cdda(bench: Bench, site: Site, known: DriveKnowledge) -> DriveKnowledge:
    """Whether the drive knows READ CD-DA (D8)."""
    request = ReadCdda(site.good, 1, timeout=_TIMEOUT)
    reply = bench.execute(request.command())
    if reply.ok and len(reply.data) == RAW:
        return replace(known, d8=True)
    # On a block node Linux itself refuses opcodes that it does not know, and looks like the drive.
    by_linux = reply.sense == INVALID_OPCODE and Path(bench.drive.address).is_block_device()
    return replace(known, d8=False) if is_refused(reply) and not by_linux else known


def q_address(records: Bytes2D) -> int | None:
    """The LBA that Q names in the first of records with raw P–W, None if it names none."""
    q = q_of(np.ascontiguousarray(records[:1, RAW : RAW + SUB_RAW]))
    entry = parse_q(q[0].tobytes()) if q_crc_ok(q)[0] else None
    return entry.lba if isinstance(entry, QPosition) else None


@dataclass(frozen=True, slots=True)
class _Form:
    binary: bool
    crc: bool
    lag: int


def _form_of(rows: Bytes2D, lba: int) -> _Form | None:
    """The form of (n, 12) Q from `lba` on: the one in which their addresses go up as they should.

    None if neither does, or both do.
    """
    plain = [row.tobytes() for row in rows]
    coded = [_coded(row) for row in plain]
    as_bcd, as_binary = _lag(plain, lba), _lag(coded, lba)
    if (as_bcd is None) == (as_binary is None):
        return None
    lag, binary = (as_bcd, False) if as_bcd is not None else (as_binary, True)
    assert lag is not None
    said = [row for row in (coded if binary else plain) if row is not None]
    right = q_crc_ok(np.frombuffer(b"".join(said), np.uint8).reshape(-1, 12))
    return _Form(binary, bool(np.count_nonzero(right) >= _AGREE), lag)


def _coded(row: bytes) -> bytes | None:
    """A binary Q in BCD, as it is on the disc; None if it tells no position."""
    if row[0] & 15 != _POSITION:
        return None
    coded = bytearray(row)
    try:
        for at in _BCD:
            coded[at] = row[at] if (at, row[at]) == (1, _LEAD_OUT) else to_bcd(row[at])
    except ValueError:
        return None
    return bytes(coded)


def _lag(rows: Iterable[bytes | None], lba: int) -> int | None:
    """By how much the positions in Q lag behind their sectors from `lba` on, if they agree."""
    votes: Counter[int] = Counter()
    for number, row in enumerate(rows):
        entry = None if row is None else parse_q(row)
        if isinstance(entry, QPosition):
            votes[lba + number - entry.lba] += 1
    lag, count = votes.most_common(1)[0] if votes else (0, 0)
    return lag if count >= _AGREE and abs(lag) <= _NEAR else None


def _data_in(records: Bytes2D, lba: int) -> AsAudio | None:
    """Whether data read as audio from `lba` on came scrambled; it may be moved by an offset."""
    stream = records.tobytes()
    at = stream.find(SYNC)
    while 0 <= at <= len(stream) - RAW:
        raw = np.frombuffer(stream, np.uint8, RAW, at).reshape(1, RAW).copy()
        if _is_near(raw, lba):
            return AsAudio.PLAIN
        if _is_near(scramble(raw), lba):
            return AsAudio.SCRAMBLED
        at = stream.find(SYNC, at + 1)
    return None


def _is_near(raw: Bytes2D, lba: int) -> bool:
    try:
        named = Msf.from_bcd(raw[0, _HEADER : _HEADER + 3].tobytes()).program_lba
    except ValueError:
        return False
    return abs(named - lba) <= _NEAR + SAMPLE
