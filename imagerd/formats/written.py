# SPDX-License-Identifier: Apache-2.0
"""What can be asked of writing an image, and what it answers."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.digests import Digests
from imagerd.disc.layout import TrackMode
from imagerd.formats.origin import Origin

MARKER = b"imagerd: unreadable sector "


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write.

    `track`: the data track for an .iso; the first one if None. `fill` is repeated over sectors
    that could not be read; it must not look like data (audio is silent there: any pattern would be
    noise). `check`: for an .iso made of raw sectors, check each EDC; `repair`: and correct by P/Q
    parity what fails, but not the `spared` LBAs, which are bad on purpose. `sync`: force the data
    to the disk before the files get their names. `cut_form2`: let an .iso keep only 2048 of a form
    2 sector's 2324 bytes. `raw`: a sheet always gets raw sectors, made anew where the source has
    2048 bytes; else a source of a single track of these keeps them as they are. `split_tracks`:
    one .bin for each track, or one for all; if None, as the cue sheet has it that the source came
    with, and one for all where there is none. `origin`: what the source came with, such as that
    sheet, to be kept as far as it stays true; that of the source itself if None. `quick`: where
    the container compresses, rather soon than small.
    """

    overwrite: bool = False
    split_tracks: bool | None = None
    track: int | None = None
    hash: bool = True
    fill: bytes = MARKER
    check: bool = True
    repair: bool = False
    spared: Container[int] = frozenset()
    sync: bool = True
    cut_form2: bool = False
    raw: bool = True
    origin: Origin | None = None
    quick: bool = False

    def fill_of(self, mode: TrackMode) -> bytes:
        """What fills unread sectors of a track."""
        return b"" if mode is TrackMode.AUDIO else self.fill


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of an image; `digests` None where hashing was off."""

    path: Path
    digests: Digests | None


@dataclass(frozen=True, slots=True)
class TrackDigests:
    """The digests of a track as it is stored: its pregap included, virtual gaps not."""

    number: int
    digests: Digests


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """What was written. `files` in the order sheet, data, others.

    `left_out`: sentences about what the container could not take. `bad`: LBAs that hold filling.
    `wrong`: LBAs written as they were read, though their EDC is wrong. `repaired`: LBAs that P/Q
    parity corrected. (Both for an .iso out of raw sectors only: a sheet takes them as they are.)
    """

    target: Path
    format: str
    files: tuple[WrittenFile, ...]
    tracks: tuple[TrackDigests, ...]
    left_out: tuple[str, ...] = ()
    bad: tuple[range, ...] = ()
    wrong: tuple[range, ...] = ()
    repaired: tuple[range, ...] = ()
