# SPDX-License-Identifier: Apache-2.0
"""/dev/sr0 for the C library, behind it the virtual drive served at a socket: SG_IO both ways.

Usage: serve.py SOCKET COMMAND…; runs the command beside the drive. Stdlib and gi only: Debian's
Python runs it. The frames are those of imagerd/devices/virtual/protocol.py.
"""

import errno
import socket
import struct
import subprocess
import sys
import threading

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

SG_IO = 0x2285
# What programs ask an sg node before: SG_GET_RESERVED_SIZE and SG_GET_VERSION_NUM, with answers;
# SG_SET_RESERVED_SIZE.
SG_ANSWERS = {0x2272: 128 * 1024, 0x2282: 30536, 0x2275: None}
HEADER = 88  # struct sg_io_hdr of <scsi/sg.h>
REQUEST = struct.Struct("!BBBxIIId16s")
REPLY = struct.Struct("!BBBBIId18s")
COMMAND, LOST = 1, 3
TO_DEVICE, FROM_DEVICE = -2, -3
WAYS = {FROM_DEVICE: 1, TO_DEVICE: 2}

DEVICES = """\
P: /devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0
E: SUBSYSTEM=scsi
A: type=5\\n
A: vendor=VIRTUAL \\n
A: model=VIRTUAL DRIVE   \\n
A: rev=1.00\\n

P: /devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sr0
N: sr0
E: DEVNAME=/dev/sr0
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: ID_CDROM=1
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


class Bridge(UMockdev.IoctlBase):
    """Passes each SG_IO on to the virtual drive, and its reply back."""

    def __init__(self, path):
        super().__init__()
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.connect(path)
        self.sequence = 0

    def do_handle_ioctl(self, client):
        """One ioctl, as the kernel would answer it."""
        request = client.get_property("request")
        if request in SG_ANSWERS:
            if SG_ANSWERS[request] is not None:
                number = struct.pack("<i", SG_ANSWERS[request])
                client.get_property("arg").resolve(0, len(number)).update(0, number)
            client.complete(0, 0)
            return True
        if request != SG_IO:
            client.complete(-1, errno.ENOTTY)
            return True
        arg = client.get_property("arg").resolve(0, HEADER)
        header = bytearray(arg.retrieve())
        cdb = bytes(arg.resolve(24, header[8]).retrieve())
        way, wanted = (
            struct.unpack_from("<i", header, 4)[0],
            struct.unpack_from("<I", header, 12)[0],
        )
        sent = bytes(arg.resolve(16, wanted).retrieve()) if way == TO_DEVICE and wanted else b""
        (timeout,) = struct.unpack_from("<I", header, 40)
        answer = self.ask(cdb, WAYS.get(way, 0), wanted, sent, timeout / 1000)
        if answer is None:
            client.complete(-1, errno.ENODEV)
            return True
        status, host, driver, sense, data = answer
        if data:
            arg.resolve(16, wanted).update(0, data[:wanted])
        if sense:
            arg.resolve(32, header[9]).update(0, sense[: header[9]])
        moved = len(sent) or min(len(data), wanted)
        struct.pack_into(
            "<BBBBHHiII", header, 64, status, 0, 0, min(len(sense), header[9]), host,
            driver, wanted - moved, 0, 0,
        )  # fmt: skip
        arg.update(64, bytes(header[64:]))
        client.complete(0, 0)
        return True

    def ask(self, cdb, way, wanted, sent, timeout):
        """Status, host status, driver status, sense, data; None from a drive that is gone."""
        self.sequence += 1
        length = wanted if way == WAYS[FROM_DEVICE] else 0
        request = (COMMAND, len(cdb), way, self.sequence, length, len(sent), timeout, cdb)
        self.connection.sendall(REQUEST.pack(*request) + sent)
        kind, status, host, driver, _, size, _, sense = REPLY.unpack(self.receive(REPLY.size))
        data = self.receive(size)
        if kind == LOST:
            return None
        return status, host, driver, sense if sense[0] else b"", data

    def receive(self, size):
        """Exactly so many bytes."""
        data = bytearray()
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def main():
    """Run the command; end as it ends."""
    testbed = UMockdev.Testbed.new()
    testbed.add_from_string(DEVICES)
    bridge = Bridge(sys.argv[1])
    for node in ("/dev/sr0", "/dev/sg0"):
        testbed.attach_ioctl(node, bridge)
    loop = GLib.MainLoop()
    codes = []

    def run():
        # Not with env=os.environ: the C library's environment tells where the testbed is.
        codes.append(subprocess.run(sys.argv[2:], check=False).returncode)
        GLib.idle_add(loop.quit)

    threading.Thread(target=run).start()
    loop.run()
    sys.exit(codes[0])


if __name__ == "__main__":
    main()
