# SPDX-License-Identifier: Apache-2.0
"""What is on a disc's data tracks: so far only what names a volume, to identify discs."""
