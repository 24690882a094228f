# SPDX-License-Identifier: Apache-2.0
"""CHD, MAME's "compressed hunks of data": CDs, GD-ROMs and DVDs, read (v3–v5) and written (v5).

Reading: ``header`` → ``hunkmap`` (where each hunk lies) and ``metadata`` (what the disc is) →
``tracks`` (its entries) → ``place`` with ``ours`` (a layout, and where its sectors lie); ``hunks``
decodes, by ``decoders``, and ``image`` reads ahead; ``opening`` puts it together, ``checking``
compares the SHA-1s of the header. Writing: ``plan`` (a layout to entries) → ``frames`` (sectors to
hunks) → ``encoders`` (hunks to the smallest of several codecs) → ``mapwriting`` and ``writing``.

All numbers are big-endian. After MAME's chd.cpp, chdcd.cpp and chdcodec.cpp; see
docs/formats-chd.md.
"""
