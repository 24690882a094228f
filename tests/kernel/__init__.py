# SPDX-License-Identifier: Apache-2.0
"""Tests in a real kernel: Debian's own under QEMU, systemd and udev running, a real /dev/srN.

``python -m tests.kernel`` (``make test-kernel``) boots the guest once and runs `inside/` in it.
"""
