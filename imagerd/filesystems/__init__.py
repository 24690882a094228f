# SPDX-License-Identifier: Apache-2.0
"""What is on a disc's data tracks: what names a volume, which file lies where, what a DVD plays."""
