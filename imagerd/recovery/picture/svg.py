# SPDX-License-Identifier: Apache-2.0
"""The picture as SVG: discs of ground, and on them an arc for each run of cells that stand out.

Units are tenths of a millimetre. Each arc is written once and drawn twice: thin, where it lies, and
wide and pale, so that a single sector is seen without a lens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imagerd.recovery.picture.marking import grouped, marked
from imagerd.recovery.picture.polar import Cells, Covered
from imagerd.recovery.picture.scheme import HUB, PLATE, Rgb
from imagerd.recovery.picture.surface import HOLE, HUB_END, RADIUS, Disc, Picture

_UNIT = 10  # a millimetre
_SIZE = round(2 * RADIUS * _UNIT)
_GAP = 60
_LINE = 58  # of the legend
_GLOW = 10.0  # width of the pale arcs at least
_MOST_ARCS = 12_000  # then cells are joined, by twos
_STYLE = """\
.imagerd text{font:36px system-ui,sans-serif;fill:currentColor}
.imagerd .dim{opacity:.7}
.imagerd .glow{opacity:.4;stroke-linecap:round}
.imagerd .sw{stroke:currentColor;stroke-width:2;stroke-opacity:.5}"""


def svg(picture: Picture, *, name: str = "m", inline: bool = False) -> str:
    """The picture as a document; `inline`, as an element of a page that sets size and colours.

    `name` is a prefix of ids: it must differ from those of other pictures in the page.
    """
    legend = list(_legend(picture))
    width = len(picture.discs) * (_SIZE + _GAP) + _GAP
    captions = _LINE if any(disc.caption for disc in picture.discs) else 0
    head = _LINE if picture.title and not inline else 0
    foot = -(-len(legend) // _columns(width)) * _LINE + (_LINE if picture.remark else 0)
    height = head + _GAP + _SIZE + captions + _GAP + foot + _GAP // 2
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="imagerd" role="img"'
        f' viewBox="0 0 {width} {height}" fill="none">',
        f"<title>{marked(picture.title or 'Surface of a disc')}: {_told(picture)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    if not inline:
        parts.append(f'<rect width="{width}" height="{height}" fill="#fff"/><g color="#16181d">')
    if head:
        parts.append(
            f'<text x="{_GAP}" y="{_GAP + 16}" style="font-size:48px;font-weight:600">'
            f"{marked(picture.title)}</text>"
        )
    for number, disc in enumerate(picture.discs):
        x = _GAP + number * (_SIZE + _GAP)
        parts.append(f'<g transform="translate({x + _SIZE // 2} {head + _GAP + _SIZE // 2})">')
        parts += _disc(picture, disc, f"{name}{number}")
        if disc.caption:
            y = _SIZE // 2 + 50
            parts.append(f'<text y="{y}" text-anchor="middle">{marked(disc.caption)}</text>')
        parts.append("</g>")
    top = head + _GAP + _SIZE + captions + _GAP
    parts += _placed(legend, top, width)
    if picture.remark:
        y = top + foot - _LINE + 30
        parts.append(f'<text class="dim" x="{_GAP}" y="{y}">{marked(picture.remark)}</text>')
    return "\n".join([*parts, "</svg>" if inline else "</g></svg>"]) + "\n"


def hexed(colour: Rgb) -> str:
    """A colour as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _told(picture: Picture) -> str:
    """The picture in words."""
    said = zip(picture.scheme.tones, picture.counts, strict=True)
    return ", ".join(f"{tone.name}: {grouped(count)}" for tone, count in said if count)


def _columns(width: int) -> int:
    return max(width // 420, 1)


def _legend(picture: Picture) -> Iterator[str]:
    """The tones that occur, at 0, 0."""
    if picture.scheme.name != "state":
        yield f'<text y="30">{marked(picture.scheme.name)}:</text>'
    for tone, count in zip(picture.scheme.tones, picture.counts, strict=True):
        if count:
            yield (
                f'<rect class="sw" width="36" height="36" rx="6" fill="{hexed(tone.colour)}"/>'
                f'<text x="50" y="30">{marked(tone.name)} '
                f'<tspan class="dim">{grouped(count)}</tspan></text>'
            )


def _placed(legend: list[str], top: int, width: int) -> Iterator[str]:
    columns = _columns(width)
    for number, entry in enumerate(legend):
        row, column = divmod(number, columns)
        x, y = _GAP + column * ((width - _GAP) // columns), top + row * _LINE
        yield f'<g transform="translate({x} {y})">{entry}</g>'


def _disc(picture: Picture, disc: Disc, name: str) -> Iterator[str]:
    """One disc around 0, 0."""
    plate, hub = (RADIUS + HOLE) / 2 * _UNIT, (HUB_END + HOLE) / 2 * _UNIT
    for r, end, shade in ((plate, RADIUS, PLATE), (hub, HUB_END, HUB)):
        width = (end - HOLE) * _UNIT
        yield f'<circle r="{r:g}" stroke="{hexed(shade)}" stroke-width="{width:g}"/>'
    scheme = picture.scheme
    rings = len(disc.cells)
    step = (picture.outer - picture.inner) * _UNIT / rings
    track = _Track(picture.inner * _UNIT, step)
    ground, loud = _ground(disc.cells, scheme.calm), _loud(disc.cells, scheme.calm)
    for value in range(1, scheme.calm + 1):
        colour = hexed(scheme.tone(value).colour)
        yield from track.circles(ground == value, colour)
        if path := track.path((ground == value) & ~_whole(ground == value)):
            yield f'<path stroke="{colour}" stroke-width="{step * 1.2:.4g}" d="{path}"/>'
    found = {v: track.path(loud == v) for v in range(scheme.calm + 1, len(scheme.tones) + 1)}
    paths = {value: path for value, path in found.items() if path}
    for value, path in paths.items():
        colour = hexed(scheme.tone(value).colour)
        yield f'<defs><path id="{name}-{value}" stroke="{colour}" d="{path}"/></defs>'
    # Wider than a ring, so that the page does not shine through; less than would hide a neighbour.
    wide = f'stroke-width="{step * 1.6:.4g}"'
    for style in (f'class="glow" stroke-width="{max(step, _GLOW):.4g}"', wide):
        for value in paths:
            yield f'<use href="#{name}-{value}" {style}/>'


def _ground(cells: Cells, calm: int) -> Cells:
    """The calm values: cells that stand out are as the calm ones of their ring are.

    In a ring of several calm values the highest counts, where there are many such rings.
    """
    quiet = np.where(cells <= calm, cells, 0)
    ring = quiet.max(axis=1, keepdims=True)
    filled = np.where(cells > calm, ring, quiet).astype(np.uint8)
    if _arcs(filled) <= _MOST_ARCS // 4:
        return filled
    return np.where(filled > 0, ring, 0).astype(np.uint8)


def _loud(cells: Cells, calm: int) -> Cells:
    """The values that stand out, in cells so wide that there are not too many arcs."""
    loud = np.where(cells > calm, cells, 0).astype(np.uint8)
    while _arcs(loud) > _MOST_ARCS and loud.shape[1] % 2 == 0:
        loud = loud.reshape(len(loud), -1, 2).max(axis=2)
    return loud


def _arcs(cells: Cells) -> int:
    """How many runs of one value, not 0, there are."""
    begins = (cells != np.roll(cells, 1, axis=1)) & (cells > 0)
    whole = (cells[:, :1] == cells).all(axis=1) & (cells[:, 0] > 0)
    return int(begins.sum() + whole.sum())


@dataclass(frozen=True, slots=True)
class _Track:
    """Rings from the radius `inner` on, `step` apart."""

    inner: float
    step: float

    def circles(self, mask: Covered, colour: str) -> Iterator[str]:
        """Neighbouring rings that are all in `mask`, as one circle without seams."""
        edges = np.flatnonzero(np.diff(_whole(mask)[:, 0], prepend=False, append=False)).tolist()
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            r, width = self.inner + (first + last) / 2 * self.step, (last - first) * self.step
            yield f'<circle r="{r:.1f}" stroke="{colour}" stroke-width="{width + 0.5:.1f}"/>'

    def path(self, mask: Covered) -> str:
        """Arcs along the middles of the rings, over the cells of `mask`."""
        cells = mask.shape[1]
        return "".join(self._arc(ring, a, b, cells) for ring, a, b in _spans(mask))

    def _arc(self, ring: int, first: int, last: int, cells: int) -> str:
        r = self.inner + (ring + 0.5) * self.step
        bow = f"A{r:.1f} {r:.1f} 0"
        if last - first == cells:
            return f"M0 {-r:.1f}{bow} 1 1 0 {r:.1f}{bow} 1 1 0 {-r:.1f}"
        (x, y), (u, v) = (
            (r * math.sin(angle), -r * math.cos(angle))
            for angle in (first * 2 * math.pi / cells, last * 2 * math.pi / cells)
        )
        return f"M{x:.1f} {y:.1f}{bow} {int(2 * (last - first) > cells)} 1 {u:.1f} {v:.1f}"


def _whole(mask: Covered) -> Covered:
    """(rings, 1): those that are all in `mask`."""
    result: Covered = np.logical_and.reduce(mask, axis=1, keepdims=True)
    return result


def _spans(mask: Covered) -> Iterator[tuple[int, int, int]]:
    """(ring, first cell, last) of each run, half open; those over the angle 0 end beyond it."""
    cells = mask.shape[1]
    whole = _whole(mask)
    for ring in np.flatnonzero(whole).tolist():
        yield ring, 0, cells
    part: Covered = mask & ~whole
    begins: Covered = part & ~np.roll(part, 1, axis=1)
    ends: Covered = part & ~np.roll(part, -1, axis=1)
    for ring in np.flatnonzero(part.any(axis=1)).tolist():
        firsts, lasts = (np.flatnonzero(edge[ring]).tolist() for edge in (begins, ends))
        if lasts[0] < firsts[0]:  # the first run to end began before the angle 0
            lasts = [*lasts[1:], lasts[0] + cells]
        for first, last in zip(firsts, lasts, strict=True):
            yield ring, first, last + 1
