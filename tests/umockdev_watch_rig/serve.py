# SPDX-License-Identifier: Apache-2.0
"""Fake drives behind umockdev: TEST UNIT READY on /dev/srN, and uevents as udev sends them.

Runs the command given to it and obeys its lines: ``insert sr0``, ``remove sr0``, ``button sr0``,
``hint sr0``, ``burst sr0``, ``plug sr1``, ``unplug sr1``, ``quiet sr0`` (a change without an
event); ``result JSON`` is printed at the end. Stdlib and gi only: Debian's Python runs it.
"""

import errno
import struct
import subprocess
import sys
import threading

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

SG_IO = 0x2285
HEADER = 88
MEDIA = "ID_CDROM_MEDIA"
BUS = "/devices/pci0000:00/ata1"


def device(name):
    number = int(name[2:])
    scsi = f"{BUS}/host{number}/target{number}:0:0/{number}:0:0:0"
    return f"""\
P: {scsi}/block/{name}
N: {name}
E: DEVNAME=/dev/{name}
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: ID_CDROM=1
E: ID_MODEL=FAKE_CD_{number}
E: ID_SERIAL=FAKE_CD_{number}_SN{number}
E: ID_PATH=pci-0000:00-ata-{number}
A: dev=11:{number}\\n
A: size=0\\n

"""


# What must not be taken for an optical drive.
OTHERS = """\
P: /devices/pci0000:00/ata9/host9/target9:0:0/9:0:0:0/block/sda
N: sda
E: DEVNAME=/dev/sda
E: SUBSYSTEM=block
E: DEVTYPE=disk
A: dev=8:0\\n

"""


class FakeDrive(UMockdev.IoctlBase):
    """Knows TEST UNIT READY."""

    def __init__(self):
        super().__init__()
        self.medium = False
        self.attention = False

    def change(self, medium):
        self.medium = medium
        self.attention = medium

    def do_handle_ioctl(self, client):
        if client.get_property("request") != SG_IO:
            client.complete(-1, errno.ENOTTY)
            return True
        arg = client.get_property("arg").resolve(0, HEADER)
        header = bytearray(arg.retrieve())
        cdb = bytes(arg.resolve(24, header[8]).retrieve())
        sense = self.sense(cdb[0])
        if sense:
            raw = bytes((0x70, 0, sense[0], 0, 0, 0, 0, 10, 0, 0, 0, 0, sense[1], sense[2]))
            raw += bytes(4)
            arg.resolve(32, header[9]).update(0, raw)
        status, driver, length = (2, 8, 18) if sense else (0, 0, 0)
        struct.pack_into("<BBBBHHiII", header, 64, status, 0, 0, length, 0, driver, 0, 0, 0)
        arg.update(64, bytes(header[64:]))
        client.complete(0, 0)
        return True

    def sense(self, opcode):
        if opcode != 0:
            return 5, 0x20, 0
        if self.attention:
            self.attention = False
            return 6, 0x28, 0
        return None if self.medium else (2, 0x3A, 1)


class Bench:
    """The testbed, and what the child's lines do to it."""

    def __init__(self):
        self.testbed = UMockdev.Testbed.new()
        self.testbed.add_from_string(OTHERS)
        self.drives = {}
        self.paths = {}
        self.result = "{}"
        self.plug("sr0")

    def plug(self, name):
        self.testbed.add_from_string(device(name))
        number = name[2:]
        self.paths[name] = f"/sys{BUS}/host{number}/target{number}:0:0/{number}:0:0:0/block/{name}"
        self.drives[name] = FakeDrive()
        self.testbed.attach_ioctl(f"/dev/{name}", self.drives[name])

    def event(self, name, action="change", **properties):
        path = self.paths[name]
        for key, value in properties.items():
            self.testbed.set_property(path, key, value)
        self.testbed.uevent(path, action)
        for key in properties:
            if key != MEDIA:
                self.testbed.set_property(path, key, "")

    def obey(self, line):
        verb, _, rest = line.partition(" ")
        if verb == "result":
            self.result = rest
        elif verb == "plug":
            self.plug(rest)
            self.event(rest, "add")
        elif verb == "unplug":
            self.testbed.detach_ioctl(f"/dev/{rest}")
            self.event(rest, "remove")
            self.testbed.remove_device(self.paths[rest])
        elif verb in ("insert", "remove"):
            self.drives[rest].change(verb == "insert")
            medium = "1" if verb == "insert" else ""
            self.event(rest, DISK_MEDIA_CHANGE="1", **{MEDIA: medium})
        elif verb == "quiet":
            self.drives[rest].change(not self.drives[rest].medium)
        elif verb == "button":
            self.event(rest, DISK_EJECT_REQUEST="1")
        elif verb == "hint":
            self.event(rest, DISK_MEDIA_CHANGE="1")
        elif verb == "burst":
            for _ in range(300):
                self.event(rest, DISK_MEDIA_CHANGE="1")


def main():
    bench = Bench()
    loop = GLib.MainLoop()
    codes = []

    def run():
        # Not with env=os.environ: the C library's environment tells where the testbed is.
        with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                bench.obey(line.strip())
            codes.append(child.wait())
        GLib.idle_add(loop.quit)

    threading.Thread(target=run).start()
    loop.run()
    print(bench.result)
    sys.exit(codes[0])


if __name__ == "__main__":
    main()
