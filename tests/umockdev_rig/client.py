# SPDX-License-Identifier: Apache-2.0
"""What our code sees of the fake drive, as JSON: run by `serve.py`, judged by the tests."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from imagerd.base.errors import DriveLost
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.drives import list_drives
from imagerd.devices.mmc_read import ReadCd, ReadCdda
from imagerd.devices.reading import ReadRequest
from imagerd.devices.sgio import SgTransport
from imagerd.devices.transport import open_transport
from imagerd.disc.ids import toc_text

NODE = "/dev/sr0"


def listing() -> dict[str, object]:
    """What `list_drives` finds."""
    found = list_drives()
    return {
        "drives": [[d.address, d.vendor, d.product, d.revision] for d in found],
        "generic": [str(d.generic) for d in found],
    }


def identity() -> dict[str, object]:
    """INQUIRY, TOC and limits, through the whole drive."""
    drive = OpticalDrive(open_transport(NODE))
    who = drive.identity
    result: dict[str, object] = {
        "who": [who.vendor, who.product, who.revision, who.serial, who.address],
        "toc": toc_text(drive.layout),
        "mode": str(drive.layout.tracks[0].mode),
        "max_transfer": drive.link.transport.max_transfer,
        "generation": drive.media_generation,
    }
    drive.close()
    drive.close()
    return result


def faults() -> dict[str, object]:
    """Reads that go wrong in every way, each with its good prefix and fault."""
    drive = OpticalDrive(open_transport(NODE))
    result: dict[str, object] = {}
    for lba in (490, 505, 515, 525, 545, 600):
        got = drive.attempt(ReadRequest(lba, 20))
        fault = got.fault
        result[str(lba)] = {
            "good": 0 if got.sectors is None else len(got.sectors),
            "right": got.sectors is None or _right(lba, got.sectors.data),
            "fault": None if fault is None else [fault.lba, fault.count, fault.kind, fault.sense],
        }
    slow = drive.attempt(ReadRequest(540, 1))
    result["slow"] = slow.seconds
    block = drive.read(480, 60)
    result["read"] = [[fault.lba, fault.count, str(fault.kind)] for fault in block.faults]
    drive.close()
    return result


def _right(lba: int, data: object) -> bool:
    import numpy as np

    rows = np.asarray(data).view("<u4").reshape(-1, 588)
    return [int(row[-1]) for row in rows] == list(range(lba, lba + len(rows)))


def filtered() -> dict[str, object]:
    """An opcode that the kernel's filter refuses."""
    transport = SgTransport(NODE, exclusive=False)
    transport.execute(ReadCd(0, 1).command())  # takes the unit attention
    reply = transport.execute(ReadCdda(0, 1).command())
    transport.close()
    return {"ok": reply.ok, "sense": str(reply.sense)}


def lost() -> dict[str, object]:
    """The drive is pulled while it is read."""
    drive = OpticalDrive(open_transport(NODE))
    good = len(drive.read(880, 10))
    try:
        drive.read(890, 20)
    except DriveLost as error:
        drive.close()
        return {"good": good, "error": str(error)}
    return {"good": good, "error": ""}


def patience() -> dict[str, object]:
    """Whether other threads run while the drive is slow."""
    transport = SgTransport(NODE)
    transport.execute(ReadCd(0, 1).command())
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            time.sleep(0.01)
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    reply = transport.execute(ReadCd(540, 1).command())
    done.set()
    thread.join()
    transport.close()
    return {"ticks": ticks, "seconds": reply.seconds}


def generic() -> dict[str, object]:
    """The same drive by its /dev/sgN: what is open, the limit, and that it reads."""
    drive = OpticalDrive(open_transport("/dev/sg0"))
    entries = [entry for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    result: dict[str, object] = {
        "holds_sr0": any(entry.readlink().name == "sr0" for entry in entries),
        "max_transfer": drive.link.transport.max_transfer,
        "sectors": len(drive.read(0, 30)),
    }
    drive.close()
    return result


def oversized() -> dict[str, object]:
    """A file that is no device, a transfer that is too large, a closed transport."""
    transport = SgTransport(NODE)
    errors = []
    for _ in range(2):
        try:
            transport.execute(ReadCd(0, 10_000).command())
        except ValueError as error:
            errors.append(str(error))
        transport.close()
    try:
        transport.execute(ReadCd(0, 1).command())
    except ValueError as error:
        errors.append(str(error))
    return {"errors": errors}


if __name__ == "__main__":
    action = {f.__name__: f for f in (listing, identity, faults, filtered, lost, patience,
                                      generic, oversized)}[sys.argv[1]]  # fmt: skip
    sys.stdout.write(json.dumps(action()))
    sys.stdout.flush()
    assert Path(NODE).exists()
