# SPDX-License-Identifier: Apache-2.0
"""Cue sheets: `sheet` keeps them losslessly, `program` understands them, `place` lays them out.

``text`` (bytes to lines) → ``sheet`` (lines to commands) → ``program`` (commands to tracks)
→ ``place`` (tracks and data files to a layout with extents). ``render`` goes the other way.

After the CDRWIN guide, appendix A, and what programs really write; see docs/formats.md.
"""
