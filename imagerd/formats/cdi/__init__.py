# SPDX-License-Identifier: Apache-2.0
"""DiscJuggler images: the sectors, then a description of them at the end. Read only.

``table`` is the description, ``opening`` reads. After psx-spx ("CDROM Disk Images") and what the
readers of older versions know; see docs/formats-sheets.md.
"""
