# SPDX-License-Identifier: Apache-2.0
"""Write any source of CD sectors as a sheet with its sectors: .cue, .bin, maybe .cdt.

With the variant "wav" or "flac" each track has a file of its own, and that of an audio track is one
of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imagerd.base.digests import Hasher
from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, SectorFormat, Track
from imagerd.disc.source import Sectors, SectorSource
from imagerd.formats.cue.audiowriting import FlacOutput, WaveOutput
from imagerd.formats.cue.keeping import Chosen, Written, choose
from imagerd.formats.cue.render import SheetFile, as_written, render
from imagerd.formats.cue.restorednames import named_files
from imagerd.formats.cue.restoring import (
    Restoration,
    RestoredFile,
    UntrueError,
    check_gaps,
    check_written,
    pieces,
    restoration,
    stored_rows,
    swapped,
)
from imagerd.formats.origin import Origin
from imagerd.formats.output import Output, Sink, data_name, hasher, publish, refuse_all
from imagerd.formats.proof import Proof
from imagerd.formats.rawform import Runs, filled, to_raw
from imagerd.formats.written import TrackDigests, WriteOptions, WrittenFile, WrittenImage
from imagerd.sectors.blocks import blocks_of

_AUDIO = ("wav", "flac")
BATCH = 1024  # sectors of one step: 2.4 MB


@dataclass(slots=True)
class _Job:
    """What has been written so far."""

    source: SectorSource
    options: WriteOptions
    total: int
    done: int = 0
    bad: Runs = field(default_factory=Runs)
    sub_seen: bool = False
    tracks: list[TrackDigests] = field(default_factory=list)
    proof: Proof | None = None
    track: int = 0  # that is being written, where a track may lie in several files
    own: Hasher | None = None

    def enter(self, track: int, stack: ExitStack) -> None:
        """Go on to the track of that number, if it is another one."""
        if track == self.track:
            return
        if self.own is not None:
            self.tracks.append(TrackDigests(self.track, self.own.digests()))
        self.track = track
        self.own = hasher(self.options, stack) if track else None


Sinks = Callable[[Path, ExitStack, int], Sink]  # for a file of so many bytes


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write `source` as the sheet `target`; see `imagerd.formats.write_image`."""

    def sink(path: Path, stack: ExitStack, size: int) -> Sink:
        if path.suffix == ".wav":
            return WaveOutput(path, options, stack, size)
        if path.suffix == ".flac":
            return FlacOutput(path, options, stack)
        return Output(path, options, stack, size)

    return (yield from write_sheet(source, target, options, sink))


def write_sheet(
    source: SectorSource, target: Path, options: WriteOptions, sinks: Sinks, suffix: str = ""
) -> Task[WrittenImage]:
    """As `write_image`, the data into `sinks`; `suffix` comes behind the names in the sheet."""
    _check(source.layout, target)
    origin = options.origin or Origin()
    wanted = None
    audio = next((word for word in options.variant if word in _AUDIO), None)
    if origin.kept_sheet is not None and options.split_tracks is None and audio is None:
        wanted = restoration(origin.kept_sheet, source.layout, raw=options.raw)
    if wanted is not None:
        with suppress(UntrueError):
            return (yield from _restore(source, target, options, sinks, suffix, origin, wanted))
    layout = as_written(source.layout, raw=options.raw)
    single = target.with_suffix(".bin").name if suffix else data_name(target, options)
    files = sheet_files(
        layout, target, split=bool(options.split_tracks), single=single, audio=audio
    )
    cdt = target.with_suffix(".cdt") if layout.cd_text else None
    _refuse(target, [file.name for file in files], suffix, cdt, options)
    total = sum(len(track.stored_range) for track in layout.tracks)
    job = _Job(source, options, total)
    with ExitStack() as stack:
        outputs: list[Sink] = []
        for file in files:
            size = sum(len(track.stored_range) * track.stored.size for track in file.tracks)
            output = sinks(target.with_name(file.name + suffix), stack, size)
            outputs.append(output)
            yield from _write_file(job, file, output, stack)
        chosen = _choose_sheet(origin, layout, files, outputs, cdt)
        if cdt is not None and layout.cd_text is not None and chosen.names_cdt:
            outputs.append(_small(cdt, layout.cd_text.packs, options, stack))
        outputs.append(_small(target, chosen.sheet, options, stack))
        written = publish(outputs)
    left_out = [*_left_out(layout, sub_seen=job.sub_seen), *origin.not_kept()]
    kept = origin.kept_sheet if origin.stem is None and options.split_tracks is None else None
    if kept is not None and chosen.sheet != kept.sheet:
        left_out.append("the cue sheet of the disc as it was: it describes other files")
    return _written(job, target, written, left_out)


def _written(
    job: _Job, target: Path, files: tuple[WrittenFile, ...], left_out: Iterable[str]
) -> WrittenImage:
    return WrittenImage(
        target,
        "cue",
        (files[-1], *files[:-1]),
        tuple(job.tracks),
        tuple(left_out),
        job.bad.ranges(),
    )


def _refuse(
    target: Path, names: Sequence[str], suffix: str, cdt: Path | None, options: WriteOptions
) -> None:
    """Raise before any work where files are there that may not be replaced, or would be meant."""
    paths = [target.with_name(name) for name in names]
    for path in paths:
        if suffix and path.exists():
            raise BadInput(
                f"{path} is there, which the sheet {target.name} would mean instead of"
                f" {path.name}{suffix}; name another target, or another folder."
            )
    packed = [path.with_name(path.name + suffix) for path in paths]
    refuse_all([target, *packed, *([cdt] if cdt else [])], options)


def _restore(
    source: SectorSource,
    target: Path,
    options: WriteOptions,
    sinks: Sinks,
    suffix: str,
    origin: Origin,
    wanted: Restoration,
) -> Task[WrittenImage]:
    """Write the files that `wanted` tells of, and its sheet; `UntrueError` where it is not true."""
    named = named_files(wanted, target, options, suffix, origin)
    cdt = target.with_name(named.cdt) if named.cdt is not None else None
    _refuse(target, named.names, suffix, cdt, options)
    check_gaps(source, wanted)
    runs = [run for file in wanted.files for run in file.runs]
    job = _Job(source, options, sum(run.count for run in runs))
    job.proof = Proof(wanted.kept) if wanted.kept.checksum else None
    with ExitStack() as stack:
        outputs: list[Sink] = []
        for name, file in zip(named.names, wanted.files, strict=True):
            outputs.append(sinks(target.with_name(name + suffix), stack, file.size))
            yield from _write_restored(job, file, outputs[-1], stack)
        job.enter(0, stack)
        if job.proof is not None and not job.proof.holds():
            raise UntrueError
        check_written(wanted, [output.part for output in outputs], source.layout, origin.holds)
        if cdt is not None:
            outputs.append(_small(cdt, wanted.kept.cdt, options, stack))
        outputs.append(_small(target, named.sheet, options, stack))
        written = publish(outputs)
    return _written(job, target, written, _left_out(source.layout, sub_seen=job.sub_seen))


def _write_restored(
    job: _Job, file: RestoredFile, output: Sink, stack: ExitStack
) -> Iterator[Progress]:
    for track, area, stored in pieces(job.source.layout, file.runs):
        job.enter(track.number, stack)
        for block in blocks_of(job.source, area, BATCH):
            rows = stored_rows(block, stored, track.mode, proven=job.proof is not None)
            if job.proof is not None:
                job.proof.update(rows)
            rows = np.ascontiguousarray(
                filled(rows, block, job.options.fill_of(track.mode), job.bad)
            )
            if job.own is not None:
                job.own.update(rows.data.cast("B"))
            output.write(swapped(rows) if file.swap else rows)
            job.sub_seen |= _has_sub(block) and stored is not SectorFormat.RAW_SUB
            job.done += len(block)
            yield Progress(job.done, job.total, what=f"track {track.number}")
    output.finish()


def _choose_sheet(
    origin: Origin,
    layout: Layout,
    files: tuple[SheetFile, ...],
    outputs: list[Sink],
    cdt: Path | None,
) -> Chosen:
    """The sheet that the source came with, as far as it is true of `outputs`; else ours.

    What is packed cannot be looked at as it is: there it is ours.
    """
    name = cdt.name if cdt else None
    written = Written(
        tuple(file.name for file in files),
        tuple(output.part for output in outputs if isinstance(output, Output)),
        layout.cd_text,
        name,
    )
    kept = origin.kept_sheet
    original = kept.sheet if kept is not None and len(written.paths) == len(files) else None
    return choose(original, render(layout, files, name), written)


def _small(target: Path, data: bytes, options: WriteOptions, stack: ExitStack) -> Output:
    output = Output(target, options, stack)
    output.write_bytes(data)
    return output


def _check(layout: Layout, target: Path) -> None:
    if not layout.is_cd:
        raise BadInput(
            f"A {layout.medium.value.upper()} has no raw sectors, which {target} would hold;"
            " write it as .iso."
        )
    if layout.start < 0:
        raise BadInput(f"The disc begins at LBA {layout.start}; a cue sheet begins at 0.")
    if any(char in target.name for char in '"\r\n'):
        raise BadInput(f"{target}: a cue sheet cannot name files with quotes or line ends in them.")


def sheet_files(
    layout: Layout,
    target: Path,
    *,
    split: bool,
    single: str | None = None,
    audio: str | None = None,
) -> tuple[SheetFile, ...]:
    """The data files, called as Redump calls them; `single`: what it is called if it is one.

    `audio`: the suffix of those of audio tracks, each of which then is one.
    """
    tracks = layout.tracks
    if len(tracks) == 1 and audio is not None:
        return (_sheet_file(target.stem, tracks[0], audio),)
    if audio is None and (not split or len(tracks) == 1):
        return (SheetFile(single or f"{target.stem}.bin", tracks),)
    digits = 1 if len(tracks) < 10 else 2
    return tuple(
        _sheet_file(f"{target.stem} (Track {track.number:0{digits}})", track, audio)
        for track in tracks
    )


def _sheet_file(stem: str, track: Track, audio: str | None) -> SheetFile:
    if audio is None or track.is_data:
        return SheetFile(f"{stem}.bin", (track,))
    return SheetFile(f"{stem}.{audio}", (track,), "WAVE")


def _write_file(job: _Job, file: SheetFile, output: Sink, stack: ExitStack) -> Iterator[Progress]:
    alone = len(file.tracks) == 1  # then the digests of the file are those of the track
    for track in file.tracks:
        own = None if alone else hasher(job.options, stack)
        yield from _write_track(job, track, output, own)
        if own is not None:
            job.tracks.append(TrackDigests(track.number, own.digests()))
    output.finish()
    if alone and output.digests is not None:
        job.tracks.append(TrackDigests(file.tracks[0].number, output.digests))


def _write_track(job: _Job, track: Track, output: Sink, own: Hasher | None) -> Iterator[Progress]:
    for block in blocks_of(job.source, track.stored_range, BATCH):
        raw = block.data
        if block.format is not track.stored:
            raw = to_raw(block.data, block.format, track.mode, block.lba)
        raw = filled(raw, block, job.options.fill_of(track.mode), job.bad)
        raw = np.ascontiguousarray(raw)
        output.write(raw)
        if own is not None:
            own.update(raw.data.cast("B"))
        job.sub_seen |= _has_sub(block)
        job.done += len(block)
        yield Progress(job.done, job.total, what=f"track {track.number}")


def _has_sub(block: Sectors) -> bool:
    return block.sub is not None or block.format in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB)


def _left_out(layout: Layout, *, sub_seen: bool) -> Iterator[str]:
    if sub_seen:
        yield "the subchannel of the source: a cue sheet has no place for it"
    for track in layout.tracks:
        if track.isrc and not (len(track.isrc) == 12 and track.isrc.isalnum()):
            yield f"the ISRC of track {track.number}, which is not one: {track.isrc!r}"
