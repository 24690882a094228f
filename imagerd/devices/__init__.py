# SPDX-License-Identifier: Apache-2.0
"""Drives, their commands and transports, udev, virtual drives, loaders."""
