# SPDX-License-Identifier: Apache-2.0
"""Tests that run in the guest: they need root, a kernel of their own, systemd and udev."""
