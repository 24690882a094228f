# SPDX-License-Identifier: Apache-2.0
"""Cue sheets, read losslessly and forgivingly, and written in the manner of Redump.

Reading: ``text`` (bytes to lines) → ``sheet`` (lines to commands, nothing lost) → ``reader``
(commands to a ``program``) → ``place`` with ``believe`` and ``sessions`` (a program and its data
files to a layout with extents); ``opening`` puts it together. Writing: ``render`` (a layout to
lines) and ``writing`` (the sectors).

After the CDRWIN guide, appendix A, and what programs really write; see docs/formats.md.
"""
