# SPDX-License-Identifier: Apache-2.0
"""What a model of drive is like, found out once and kept: see docs/drives.md."""
