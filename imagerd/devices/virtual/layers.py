# SPDX-License-Identifier: Apache-2.0
"""Layers of a disc whose image does not tell them: more than one layer holds must be on several."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imagerd.disc.layout import Layout, Medium

# Sectors that one layer holds at most, and of the ECC block at which a layer begins (ECMA-267;
# BD: white paper 1.C, physical format).
_LAYER: Final = {Medium.DVD: (2_298_496, 16), Medium.BD: (12_219_392, 32)}


def with_layers(layout: Layout) -> Layout:
    """The layout, with layers of equal length if it tells none and is too large for one.

    Layer 0 is never the shorter one, and layers begin at whole ECC blocks.
    """
    if layout.layers or layout.medium not in _LAYER:
        return layout
    capacity, block = _LAYER[layout.medium]
    count = -(-layout.end // capacity)
    if count == 1:
        return layout
    length = -(-layout.end // (count * block)) * block
    return replace(layout, layers=tuple(length * layer for layer in range(1, count)))
