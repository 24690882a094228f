# SPDX-License-Identifier: Apache-2.0
"""One disc's way from the drive into the archive."""
