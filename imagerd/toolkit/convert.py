# SPDX-License-Identifier: Apache-2.0
"""`convert`: write a disc or an image as another image, every EDC checked on the way."""

from __future__ import annotations

from collections.abc import Container as Contains
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagerd.base.errors import BadInput
from imagerd.base.files import refuse_existing
from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.ranges import NOWHERE, Extent, from_mask
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.formats import (
    Trait,
    WriteOptions,
    WrittenFile,
    WrittenImage,
    container_of,
    losses,
    open_image,
    write_image,
)
from imagerd.formats.origin import Origin, origin_of
from imagerd.formats.registry import COOKED
from imagerd.toolkit.beside import Piece, map_beside, map_name, opened_by
from imagerd.toolkit.intended import Intended

if TYPE_CHECKING:
    from imagerd.toolkit.reread import Reread


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """How to convert.

    `track`: the data track for an .iso, the first one if None. `repair`: correct by parity what
    has a wrong EDC, but what is bad on purpose; else it is written as it is. `hash`: digest what
    is written. `cut_form2`: let an .iso lose bytes of form 2 sectors. `sync`: have it on the disk
    before it gets its name. `strict`: refuse what the container cannot hold. `verify`: read the
    target back and compare. `keep`: a target that is there already and is what would be written
    is left alone; what is there and is something else is `AlreadyThere`. `swap`: exchange the two
    bytes of each sample of audio. `split_tracks`, `raw`, `quick`, `origin`: see `WriteOptions`.
    """

    overwrite: bool = False
    split_tracks: bool | None = None
    track: int | None = None
    repair: bool = False
    hash: bool = False
    cut_form2: bool = False
    sync: bool = False
    strict: bool = False
    verify: bool = False
    keep: bool = False
    swap: bool = False
    raw: bool = True
    quick: bool = False
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class ConvertResult:
    """What was written and what is wrong with it; LBAs are the source's.

    `lost`: features of the source that the container cannot hold; `left_out`: all that it does not,
    in words. `unreadable`: holds filling. `doubtful`: written as it came, though nothing proves it
    and something speaks against it. `wrong`: written as read, though the EDC is wrong; of these
    `intended` were left so, as a copy protection made them. `repaired`: corrected by parity, not as
    read. `map`: the ddrescue map file that lists beside the target what can not be told from it any
    more. `reread`: what reading it back gave, if that was asked. `kept`: it was there already.
    """

    ok: bool
    target: Path
    format: str
    files: tuple[WrittenFile, ...]
    left_out: tuple[str, ...]
    unreadable: Extent
    doubtful: Extent
    wrong: Extent
    repaired: Extent
    map: Path | None
    lost: tuple[Trait, ...] = ()
    intended: Extent = NOWHERE
    reread: Reread | None = None
    kept: bool = False


def convert(
    source: SectorSource, target: Path, options: ConvertOptions | None = None
) -> Task[ConvertResult]:
    """Write `source` as `target`, whose suffix chooses the container.

    Sectors that are not to be trusted do not become good by being copied: a map file beside the
    target lists them. Raises `BadInput` for what the container cannot hold, `AlreadyThere` for
    targets that exist.
    """
    wanted = options or ConvertOptions()
    if wanted.origin is None:
        wanted = replace(wanted, origin=origin_of(source))
    lost = known_losses(source, target, wanted)
    if wanted.swap:
        from imagerd.toolkit.endianness import SwappedAudio

        source = SwappedAudio(source)
    if wanted.keep and opened_by(target).exists():
        kept = yield from _kept(source, target, wanted)
        if kept is not None:
            return replace(kept, lost=lost, left_out=_names(lost))
    refuse_existing(map_name(opened_by(target)), overwrite=wanted.overwrite)
    spared = Intended(source)
    result = yield from _converted(source, target, wanted, spared)
    result = replace(
        result,
        lost=lost,
        left_out=tuple(dict.fromkeys((*_names(lost), *result.left_out))),
        map=_write_map(source.layout, result, wanted),
    )
    if wanted.verify:
        from imagerd.toolkit.checked import CheckedSource
        from imagerd.toolkit.reread import reread

        view = CheckedSource(source, repair=wanted.repair, spared=spared)
        again = yield from reread(view, target, track=wanted.track)
        result = replace(result, reread=again, ok=result.ok and again.same)
    return result


def _converted(
    source: SectorSource, target: Path, wanted: ConvertOptions, spared: Intended
) -> Task[ConvertResult]:
    """Write the target: by a writer that checks each EDC itself, or from a source that does."""
    doubts = _Doubts(source)
    if container_of(target) in COOKED:  # its writer takes the sectors apart, and checks them
        options = _write_options(wanted, spared, check=True)
        written = yield from write_image(doubts, target, options)
        wrong, repaired = Extent.of(written.wrong), Extent.of(written.repaired)
    else:
        from imagerd.toolkit.checked import CheckedSource

        checked = CheckedSource(doubts, repair=wanted.repair, spared=spared)
        options = _write_options(wanted, spared, check=False)
        written = yield from write_image(checked, target, options)
        wrong, repaired = checked.wrong, checked.repaired
    result = _result(written, doubts.found, wrong, repaired)
    return replace(result, intended=spared.of(wrong) if wanted.repair else NOWHERE)


def known_losses(source: SectorSource, target: Path, options: ConvertOptions) -> tuple[Trait, ...]:
    """What `target` will not hold of `source`, before anything is written.

    Raises `BadInput` for any such thing, or if it is not known, where the options are strict.
    """
    container = container_of(target)
    lost = losses(source, container, track=options.track, origin=options.origin)
    if options.strict and lost is None:
        raise BadInput(
            f"What a .{container} cannot hold is not told before it is written; convert to"
            f" {target} without asking for strictness."
        )
    if options.strict and lost:
        raise BadInput(
            f"{target} cannot hold {', '.join(_names(lost))}; choose another container, or do not"
            " ask for strictness."
        )
    return lost or ()


def _names(lost: tuple[Trait, ...]) -> tuple[str, ...]:
    return tuple(trait.sentence for trait in lost)


def _kept(source: SectorSource, target: Path, wanted: ConvertOptions) -> Task[ConvertResult | None]:
    """The result for a target that is there already and is what would be written; else None."""
    from imagerd.toolkit.checked import CheckedSource
    from imagerd.toolkit.reread import reread

    doubts = _Doubts(source)
    spared = Intended(source)
    checked = CheckedSource(doubts, repair=wanted.repair, spared=spared)
    try:
        again = yield from reread(checked, target, track=wanted.track)
    except BadInput:
        return None  # whatever it is, it is not what would be written
    if not again.same:
        return None
    return ConvertResult(
        ok=not (doubts.unread or doubts.found or checked.wrong),
        target=target,
        format=container_of(target).value,
        files=(),
        left_out=(),
        unreadable=doubts.unread,
        doubtful=doubts.found,
        wrong=checked.wrong,
        repaired=checked.repaired,
        map=map_beside(opened_by(target)),
        intended=spared.of(checked.wrong) if wanted.repair else NOWHERE,
        reread=again,
        kept=True,
    )


class _Doubts:
    """A source that remembers which of its sectors were doubtful and cannot prove themselves."""

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        self._found: list[range] = []
        self._unread: list[range] = []

    @property
    def layout(self) -> Layout:
        return self._source.layout

    @property
    def found(self) -> Extent:
        return Extent.of(self._found)

    @property
    def unread(self) -> Extent:
        return Extent.of(self._unread)

    def read(self, lba: int, count: int) -> Sectors:
        block = self._source.read(lba, count)
        if int(block.states.min(initial=SectorState.READ)) > SectorState.SUSPECT:
            return block
        self._unread += from_mask(lba, block.states <= SectorState.FAILED)
        doubtful = block.states == SectorState.SUSPECT
        if doubtful.any():
            from imagerd.toolkit.verdicts import is_provable

            track = self.layout.track_at(lba)
            if track is None or not is_provable(track):
                self._found += from_mask(lba, doubtful)
        return block

    def close(self) -> None:
        self._source.close()


def _write_map(layout: Layout, result: ConvertResult, wanted: ConvertOptions) -> Path | None:
    """List beside the target what is bad in it and does not show; None if nothing is.

    A sector whose EDC is wrong shows in raw form, and not in an .iso. Where a map was there for
    the file that was overwritten, there is one again.
    """
    target = opened_by(result.target)
    bad = (*result.unreadable.ranges, *result.doubtful.ranges)
    if result.format in COOKED:
        bad += result.wrong.ranges
    if not bad and not (wanted.overwrite and map_beside(target)):
        return None
    from imagerd.toolkit.maps import write_map  # seldom needed

    pieces = _pieces(layout, target, wanted)
    return write_map(target, pieces, Extent.of(bad), overwrite=wanted.overwrite)


def _pieces(layout: Layout, target: Path, wanted: ConvertOptions) -> Sequence[Piece]:
    """The sectors of `layout` as the files of `target` hold them: as who opens it will see them."""
    if container_of(target) not in COOKED:
        from imagerd.toolkit.maps import stored_pieces

        with closing(open_image(target)) as image:
            return stored_pieces(image.layout)
    number = wanted.track
    track = next(t for t in layout.tracks if t.is_data and number in (None, t.number))
    first = max(track.index1, track.stored_range.start)
    return [Piece(range(first, track.stored_range.stop), SectorFormat.USER.size)]


def _write_options(wanted: ConvertOptions, spared: Contains[int], *, check: bool) -> WriteOptions:
    return WriteOptions(
        overwrite=wanted.overwrite,
        split_tracks=wanted.split_tracks,
        track=wanted.track,
        hash=wanted.hash,
        check=check,
        repair=check and wanted.repair,
        spared=spared,
        sync=wanted.sync,
        cut_form2=wanted.cut_form2,
        raw=wanted.raw,
        quick=wanted.quick,
        origin=wanted.origin,
    )


def _result(
    written: WrittenImage, doubtful: Extent, wrong: Extent, repaired: Extent
) -> ConvertResult:
    unreadable = Extent.of(written.bad)
    return ConvertResult(
        ok=not (unreadable or doubtful or wrong),
        target=written.target,
        format=written.format,
        files=written.files,
        left_out=written.left_out,
        unreadable=unreadable,
        doubtful=doubtful,
        wrong=wrong,
        repaired=repaired,
        map=None,
    )
