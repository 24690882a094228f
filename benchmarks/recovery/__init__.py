# SPDX-License-Identifier: Apache-2.0
"""How much of damaged discs comes back, in how many hours of the drive, by whom."""
