# SPDX-License-Identifier: Apache-2.0
"""Which disc is in a drive that is ready: profile, table of contents or size, CD-Text."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.base.errors import UnreadableDisc
from imagerd.devices.blocks import read_blocks_layout
from imagerd.devices.link import Link
from imagerd.devices.mmc import ReadCapacity
from imagerd.devices.mmc_config import GetConfiguration, Profile, medium_of
from imagerd.devices.mmc_info import DiscState, ReadDiscInformation
from imagerd.devices.mmc_toc import ReadCdText, ReadFullToc, ReadSessionInfo, ReadToc
from imagerd.devices.modes import track_modes
from imagerd.devices.toc import build_layout, decode
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Layout, Medium


@dataclass(frozen=True, slots=True)
class Identified:
    """A disc as it was found. `raw_toc` is the drive's reply to READ TOC format 2, b"" for none.

    `generation` is the media generation that this holds for; `fingerprint` is compared after a
    reset of the drive: equal bytes, so far as a drive can tell, mean the same disc.
    """

    profile: int
    medium: Medium
    layout: Layout
    warnings: tuple[str, ...]
    raw_toc: bytes
    fingerprint: bytes
    generation: int


def identify(link: Link) -> Identified:
    """Ask the drive. Raises `UnreadableDisc`, `NoMedium` or `CommandFailed`."""
    generation = link.media_generation
    configuration = link.try_ask(GetConfiguration(scope=1))
    profile = configuration.profile if configuration is not None else Profile.NONE
    # Drives older than MMC-2 read CDs only, and some name odd discs by no profile.
    medium = medium_of(profile) or Medium.CD
    information = link.try_ask(ReadDiscInformation())
    if information is not None and information.state is DiscState.EMPTY:
        raise UnreadableDisc("The disc is blank: there is nothing to read.")
    if medium is Medium.CD:
        claimed = configuration.claims_cd_text if configuration is not None else None
        layout, warnings, raw = _read_cd(link, cd_text=claimed is not False)
    else:
        layout, warnings = read_blocks_layout(link, medium, profile)
        raw = b""
    mark = fingerprint(link, medium)
    return Identified(profile, medium, layout, warnings, raw, mark, generation)


def fingerprint(link: Link, medium: Medium) -> bytes:
    """What a drive can tell quickly of which disc this is; b"" if it tells nothing."""
    if medium is Medium.CD:
        full = link.try_ask(ReadFullToc())
        if full is not None:
            return full.raw
        simple = link.try_ask(ReadToc())
        return b"" if simple is None else simple.raw
    capacity = link.try_ask(ReadCapacity())
    return b"" if capacity is None else capacity.sectors.to_bytes(8, "big")


def _read_cd(link: Link, *, cd_text: bool) -> tuple[Layout, tuple[str, ...], bytes]:
    full = link.try_ask(ReadFullToc())
    simple = link.try_ask(ReadToc())
    last = link.try_ask(ReadSessionInfo())
    toc = decode(full, simple, last)
    modes, notes = track_modes(link, toc)
    text, text_notes = _read_cd_text(link) if cd_text else (None, [])
    warnings = (*toc.warnings, *notes, *text_notes)
    return build_layout(toc, modes, cd_text=text), warnings, b"" if full is None else full.raw


def _read_cd_text(link: Link) -> tuple[CdText | None, list[str]]:
    packs = link.try_ask(ReadCdText())
    if not packs:
        return None, []
    text = CdText(packs)
    bad = text.bad_packs()
    if bad:
        return text, [f"{len(bad)} of {len(packs) // 18} CD-Text packs have a wrong CRC."]
    return text, []
