# SPDX-License-Identifier: Apache-2.0
"""The guest's first steps: an initramfs that lays a writable layer over this machine's root.

The guest sees the host's files and changes none: what it writes goes to its own memory.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")

_INIT = """#!/bin/busybox sh
fail() {{ echo "initramfs: $*" >/dev/console; /bin/busybox poweroff -f; }}
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in {modules}; do insmod /modules/$module || fail "no $module"; done
mount -t tmpfs -o mode=755,size=75% cow /cow || fail "no memory"
mkdir /cow/upper /cow/work
mount -t 9p -o ro,trans=virtio,version=9p2000.L,access=any,msize=512000,cache=loose host /host \\
  || fail "no root of the host"
mount -t overlay -o lowerdir=/host,upperdir=/cow/upper,workdir=/cow/work root /root \\
  || fail "no overlay"
mkdir -p /root{results}
mount -t 9p -o rw,trans=virtio,version=9p2000.L,access=any,msize=512000 results /root{results} \\
  || fail "no folder for results"
. /prepare
umount /proc /dev
exec switch_root /root /lib/systemd/systemd
"""

# What the guest is made to be, done in the writable layer only. `/root` is its root here.
_PREPARE = """
echo imagerd-guest >/root/etc/hostname
: >/root/etc/fstab
rm -f /root/.dockerenv /root/run/.containerenv  # or systemd takes the guest for a container
rm -f /root/etc/machine-id; echo 0123456789abcdef0123456789abcdef >/root/etc/machine-id
mkdir -p /root/etc/systemd/system /root/etc/modules-load.d /root/etc/tmpfiles.d
ln -sf /dev/null /root/etc/tmpfiles.d/tmp.conf  # it would empty /tmp, where the checkout may be
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    man-db.timer systemd-binfmt.service getty.target fstrim.timer logrotate.timer tmp.mount; do
  ln -sf /dev/null /root/etc/systemd/system/$unit
done
cp /units/* /root/etc/systemd/system/
"""


def build(target: Path, release: str, results: Path, units: dict[str, str]) -> None:
    """Write the initramfs for kernel `release`. `units` are added to the guest's systemd."""
    files = list(_module_files(release))
    names = " ".join(path.name for path in files)
    script = _INIT.format(modules=names, results=results)
    with target.open("wb") as out:
        for folder in ("bin", "dev", "proc", "cow", "host", "root", "modules", "units"):
            out.write(_entry(folder, 0o040755, b""))
        out.write(_entry("bin/busybox", 0o100755, _busybox().read_bytes()))
        out.write(_entry("init", 0o100755, script.encode()))
        out.write(_entry("prepare", 0o100644, _PREPARE.encode()))
        for name, text in units.items():
            out.write(_entry(f"units/{name}", 0o100644, text.encode()))
        for path in files:
            out.write(_entry(f"modules/{path.name}", 0o100644, path.read_bytes()))
        out.write(_entry("TRAILER!!!", 0, b""))


def _busybox() -> Path:
    found = shutil.which("busybox")
    if found is None:
        raise FileNotFoundError("busybox is not installed (Debian package busybox-static)")
    return Path(found)


def _module_files(release: str) -> Iterator[Path]:
    """The files of `MODULES` and of what they need, in the order of loading."""
    seen: set[Path] = set()
    for module in MODULES:
        command = ["modprobe", "--set-version", release, "--show-depends", module]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            verb, _, rest = line.partition(" ")
            path = Path(rest.split()[0]) if rest else Path()
            if verb == "insmod" and path not in seen:
                seen.add(path)
                yield path


def _entry(name: str, mode: int, body: bytes) -> bytes:
    """A file of a cpio archive in the "newc" form (kernel documentation, initramfs-buffer)."""
    raw = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
    return head + bytes(-len(head) % 4) + body + bytes(-len(body) % 4)
