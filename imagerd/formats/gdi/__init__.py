# SPDX-License-Identifier: Apache-2.0
"""GD-ROMs as .gdi: a line for each track, which has a file of its own.

``opening`` reads, ``writing`` writes. After what the emulators of the Dreamcast read and what
TOSEC's images have; see docs/formats-sheets.md.
"""

# The two areas of a GD-ROM. INDEX 01 of the first track of the second is always here.
HIGH_DENSITY = 45_000
LIMIT = 600_000  # a GD-ROM ends at LBA 549150
