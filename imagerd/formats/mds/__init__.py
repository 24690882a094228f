# SPDX-License-Identifier: Apache-2.0
"""Images of Alcohol 120%: .mds (version 1, a table of contents with offsets) and .mdf.

And of DAEMON Tools: .mdx, and .mds of version 2 (``mdx``, ``descriptor``, ``groups``, ``aes``).

``table`` is the structures both ways, ``opening`` reads, ``writing`` writes. After what Alcohol,
libMirage and psx-spx tell of it; byte tables in docs/formats-sheets.md.
"""
