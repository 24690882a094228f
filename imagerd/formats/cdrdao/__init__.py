# SPDX-License-Identifier: Apache-2.0
"""TOC files of cdrdao, with their data files.

Reading: ``tokens`` (text to words) → ``parse`` (words to a ``program``) → ``place`` (a program and
its files to a layout with extents); ``texts`` is the CD_TEXT part both ways; ``opening`` puts it
together. Writing: ``render`` (a layout to text) and ``writing`` (the sectors).

After cdrdao(1), "TOC FILES"; see docs/formats-sheets.md.
"""
