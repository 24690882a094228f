# SPDX-License-Identifier: Apache-2.0
"""How large a DVD or BD is, and where its layers meet.

READ CAPACITY and the disc structure of the lead-in should agree on a pressed disc. Where they do
not, the rule is: that is a warning, and the larger size is believed as soon as one sector beyond
the smaller one can be read. Three are tried, the last, the first and the middle one of the part in
dispute. If the drive refuses or fails all three, the smaller size counts: a failed read alone does
not tell a damaged sector from one that never was.

On recordable discs the structure tells the room, not what is recorded, so READ CAPACITY alone
counts there. A layer break is taken from the structure only if it lies inside the disc.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from imagerd.base.errors import UnreadableDisc
from imagerd.devices.link import Link
from imagerd.devices.mmc import ReadCapacity
from imagerd.devices.mmc_config import PRESSED
from imagerd.devices.mmc_read import Read10, Read12
from imagerd.devices.mmc_structure import ReadBdInformation, ReadPhysicalFormat
from imagerd.disc.layout import Layout, Medium, SectorFormat, TrackMode, single_track

BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Extent:
    """`sectors` of a medium in blocks, LBAs at which further layers begin, and what was odd."""

    sectors: int
    layers: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def read_blocks_layout(link: Link, medium: Medium, profile: int) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a DVD, HD DVD or BD: one track of blocks.

    Raises `UnreadableDisc` if the drive gives no size at all.
    """
    extent = measure(link, medium, profile)
    layout = single_track(
        extent.sectors,
        TrackMode.BLOCKS,
        medium=medium,
        stored=SectorFormat.USER,
        layers=extent.layers,
    )
    return layout, extent.warnings


def measure(link: Link, medium: Medium, profile: int) -> Extent:
    """Size and layers by the rule above. Raises `UnreadableDisc` if nothing tells a size."""
    structure = _by_structure(link, medium)
    capacity = link.try_ask(ReadCapacity())
    told = capacity.sectors if capacity is not None and capacity.block_length == BLOCK else 0
    if structure is None or profile not in PRESSED:
        if told == 0:
            raise UnreadableDisc("The drive does not tell how large the disc is; clean it.")
        layers = structure.layers if structure is not None else ()
        return _inside(Extent(told, layers, structure.warnings if structure is not None else ()))
    if told in (0, structure.sectors):
        return _inside(structure)
    return _inside(_settle(link, told, structure))


def _inside(extent: Extent) -> Extent:
    return replace(extent, layers=tuple(lba for lba in extent.layers if 0 < lba < extent.sectors))


def _by_structure(link: Link, medium: Medium) -> Extent | None:
    if medium is Medium.BD:
        return _bd(link)
    return _dvd(link) if medium is Medium.DVD else None


def _dvd(link: Link) -> Extent | None:
    first = link.try_ask(ReadPhysicalFormat())
    if first is None or not first.plausible:
        return None
    if first.layers < 2:
        return Extent(first.sectors)
    if first.opposite:
        return Extent(first.sectors, (first.layer0,))
    second = link.try_ask(ReadPhysicalFormat(1))
    if second is None or not second.plausible:
        note = "The second layer of this disc (parallel track path) does not tell its size."
        return Extent(first.sectors, (), (note,))
    return Extent(first.sectors + second.sectors, (first.sectors,))


def _bd(link: Link) -> Extent | None:
    layers = link.try_ask(ReadBdInformation())
    if not layers or len(layers) != layers[0].layers:
        return None
    breaks, total = list[int](), 0
    for layer in layers:
        if not 0 < layer.sectors < 1 << 27:
            return None
        breaks.append(total)
        total += layer.sectors
    return Extent(total, tuple(breaks[1:]))


def _settle(link: Link, told: int, structure: Extent) -> Extent:
    small, large = sorted((told, structure.sectors))
    readable = any(_reads(link, lba) for lba in (large - 1, small, (small + large) // 2))
    chosen = large if readable else small
    how = "sectors beyond the smaller size can be read" if readable else "nothing beyond it reads"
    note = (
        f"READ CAPACITY tells {told} sectors, the disc's lead-in {structure.sectors};"
        f" {chosen} are taken, as {how}."
    )
    return Extent(chosen, structure.layers, (*structure.warnings, note))


def _reads(link: Link, lba: int) -> bool:
    reply = link.execute(Read12(lba, 1).command())
    if not reply.ok and reply.sense is not None and reply.sense.asc == 0x20:
        reply = link.execute(Read10(lba, 1).command())
    return reply.ok and len(reply.data) == BLOCK
