# SPDX-License-Identifier: Apache-2.0
"""Nero images: the sectors first, then chunks that describe them, then where those begin.

``chunks`` is the frame, ``tables`` what is in the chunks, ``opening`` reads, ``writing`` writes.
After what Nero, libcdio and libMirage make of them; byte tables in docs/formats-sheets.md.
"""
