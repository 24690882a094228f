# SPDX-License-Identifier: Apache-2.0
"""A fake drive behind umockdev: answers SG_IO on /dev/sr0 and runs the command given to it.

Knows one disc: a mode 1 track of 1000 sectors, then 1000 of audio. Some LBAs misbehave, see
`FakeDrive.read_cd`. Stdlib and gi only: Debian's Python runs it.
"""

import errno
import struct
import subprocess
import sys
import threading
import time

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

SG_IO = 0x2285
HEADER = 88
DATA_SECTORS = 1000
SECTORS = 2000
SYNC = b"\x00" + b"\xff" * 10 + b"\x00"

DEVICES = """\
P: /devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0
E: SUBSYSTEM=scsi
A: type=5\\n
A: vendor=FAKE    \\n
A: model=CD-ROM DRIVE    \\n
A: rev=1.00\\n

P: /devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sr0
N: sr0
E: DEVNAME=/dev/sr0
E: SUBSYSTEM=block
E: DEVTYPE=disk
A: dev=11:0\\n
A: queue/max_sectors_kb=128\\n
L: device=../../../0:0:0:0

P: /devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/scsi_generic/sg0
N: sg0
E: DEVNAME=/dev/sg0
E: SUBSYSTEM=scsi_generic
A: dev=21:0\\n
L: device=../../../0:0:0:0
"""


def bcd(value):
    return value // 10 << 4 | value % 10


def sector(lba):
    """A raw sector that names itself; its parity is of no interest here."""
    body = struct.pack("<I", lba) * 588
    if lba >= DATA_SECTORS:
        return body
    frames = lba + 150
    header = bytes((bcd(frames // 4500), bcd(frames // 75 % 60), bcd(frames % 75), 1))
    return SYNC + header + body[16:]


class Answer:
    """What one command gives: data, and how it ends."""

    def __init__(self, data=b"", status=0, sense=b"", host=0, driver=0, resid=None):
        self.data, self.status, self.sense = data, status, sense
        self.host, self.driver, self.resid = host, driver, resid


def fixed(key, asc, ascq, lba=0):
    head = bytes((0xF0, 0, key)) + struct.pack(">I", lba) + bytes((10,))
    return head + bytes((0, 0, 0, 0, asc, ascq, 0, 0, 0, 0))


def descriptor(key, asc, ascq, lba):
    information = bytes((0, 10, 0x80, 0)) + struct.pack(">Q", lba)
    return bytes((0x72, key, asc, ascq, 0, 0, 0, len(information))) + information


def refuse(sense, data=b""):
    return Answer(data, status=2, sense=sense, driver=8)


class FakeDrive(UMockdev.IoctlBase):
    """One ioctl after another, as the kernel would."""

    def __init__(self):
        super().__init__()
        self.attention = True

    def do_handle_ioctl(self, client):
        request = client.get_property("request")
        if request != SG_IO:
            client.complete(-1, errno.ENOTTY)
            return True
        arg = client.get_property("arg").resolve(0, HEADER)
        header = bytearray(arg.retrieve())
        cdb = bytes(arg.resolve(24, header[8]).retrieve())
        (wanted,) = struct.unpack_from("<I", header, 12)
        answer = self.answer(cdb)
        if isinstance(answer, int):
            client.complete(-1, answer)
            return True
        moved = answer.data[:wanted]
        if moved:
            arg.resolve(16, wanted).update(0, moved)
        sense = answer.sense[: header[9]]
        if sense:
            arg.resolve(32, header[9]).update(0, sense)
        resid = wanted - len(moved) if answer.resid is None else answer.resid
        struct.pack_into(
            "<BBBBHHiII", header, 64, answer.status, 0, 0, len(sense), answer.host,
            answer.driver, resid, 0, 0,
        )  # fmt: skip
        arg.update(64, bytes(header[64:]))
        client.complete(0, 0)
        return True

    def answer(self, cdb):
        """An `Answer`, or an errno."""
        opcode = cdb[0]
        if opcode == 0x12:
            return self.inquiry(cdb)
        if self.attention:
            self.attention = False
            return refuse(fixed(6, 0x29, 0))
        handler = {
            0x00: lambda _: Answer(),
            0x43: self.read_toc,
            0x46: lambda _: Answer(bytes((0, 0, 0, 4, 0, 0, 0, 8))),
            0x51: lambda _: Answer(bytes((0, 32, 0x0E, 1, 1, 1, 2)) + bytes(27)),
            0xBB: lambda _: Answer(),
            0xBE: self.read_cd,
            0xD8: lambda _: errno.EPERM,  # as the kernel's filter on /dev/srN
        }.get(opcode)
        return refuse(fixed(5, 0x20, 0)) if handler is None else handler(cdb)

    def inquiry(self, cdb):
        if cdb[1] & 1:
            return Answer(b"\x05\x80\x00\x06SN0042")
        return Answer(bytes((5, 0x80, 0, 2, 31, 0, 0, 0)) + b"FAKE    CD-ROM DRIVE    1.00")

    def read_toc(self, cdb):
        form = cdb[2] & 15
        if form == 0:
            rows = ((4, 1, 0), (0, 2, DATA_SECTORS), (0, 0xAA, SECTORS))
            body = b"".join(struct.pack(">BBBBi", 0, 1 << 4 | c, t, 0, lba) for c, t, lba in rows)
            return Answer(struct.pack(">HBB", len(body) + 2, 1, 2) + body)
        if form == 1:
            return Answer(struct.pack(">HBBBBBBi", 10, 1, 1, 0, 0x14, 1, 0, 0))
        if form == 2:
            points = ((4, 0xA0, 4500), (0, 0xA1, 9000), (0, 0xA2, SECTORS + 150))
            points += ((4, 1, 150), (0, 2, DATA_SECTORS + 150))
            body = b"".join(
                bytes((1, 1 << 4 | c, 0, p, 0, 0, 0, 0, f // 4500, f // 75 % 60, f % 75))
                for c, p, f in points
            )
            return Answer(struct.pack(">HBB", len(body) + 2, 1, 1) + body)
        return refuse(fixed(5, 0x24, 0))

    def read_cd(self, cdb):
        lba, high, low = struct.unpack(">iBH", cdb[2:9])
        count = high << 16 | low
        special = {
            500: lambda data, at: refuse(fixed(3, 0x11, 5, at), data),
            510: lambda data, at: refuse(descriptor(3, 0x11, 6, at), data),
            520: lambda data, at: Answer(host=3),
            530: lambda data, at: Answer(host=7, resid=0),
            540: self.slow,
            550: lambda data, at: refuse(fixed(3, 0x11, 0, at), data + bytes(2352 * count)),
            900: lambda data, at: errno.ENODEV,
        }
        data = b""
        for at in range(lba, lba + count):
            if at in special:
                outcome = special[at](data, at)
                if outcome is not None:
                    return outcome
            data += sector(at)
        return Answer(data)

    def slow(self, data, at):
        time.sleep(0.3)


def main():
    testbed = UMockdev.Testbed.new()
    testbed.add_from_string(DEVICES)
    drive = FakeDrive()
    for node in ("/dev/sr0", "/dev/sg0"):
        testbed.attach_ioctl(node, drive)
    loop = GLib.MainLoop()
    codes = []

    def run():
        # Not with env=os.environ: the C library's environment tells where the testbed is.
        codes.append(subprocess.run(sys.argv[1:], check=False).returncode)
        GLib.idle_add(loop.quit)

    threading.Thread(target=run).start()
    loop.run()
    sys.exit(codes[0])


if __name__ == "__main__":
    main()
