# SPDX-License-Identifier: Apache-2.0
"""What stands beside an image: the account of its sectors, checksums, the subchannel.

``NAME.map``: a ddrescue mapfile of the image's bytes; ``NAME.json``: the report, ``NAME.html``:
the same for people; ``NAME.sbi``: the
frames of Q that were made wrong on purpose, if any; ``NAME.sub``: P to W of each sector as read,
de-interleaved, 96 bytes (as CloneCD keeps it), where asked for; ``NAME.repaired.sub``: the same
with Q put right, where asked for; ``NAME.sha256``: what ``sha256sum -c`` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.digests import Digests, Hasher, digest_bytes
from imagerd.base.files import AtomicFile, write_text_atomically
from imagerd.disc.layout import Layout
from imagerd.disc.source import Bytes2D
from imagerd.formats.sbi import build_sbi
from imagerd.formats.written import WrittenFile, WrittenImage
from imagerd.recovery.mapfile import image_blocks, write_mapfile
from imagerd.recovery.oddq import BadQ
from imagerd.recovery.picture.page import page
from imagerd.recovery.protection.recognise import facts_of, recognise
from imagerd.recovery.report import build_report, write_report
from imagerd.recovery.sectormap import SectorMap
from imagerd.recovery.structure import made_wrong_in, repaired_sub, structure_of
from imagerd.recovery.subq import Refined
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.subchannel import deinterleave

_BLOCK = 2048  # sectors


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the subchannel is kept, and the drive's read offset, if it is known."""

    sub: bool = False
    repaired: bool = False
    read_offset: int | None = None


def write_sidecars(
    work: Workspace, sectors: SectorMap, refined: Refined, written: WrittenImage, wanted: Wanted
) -> tuple[WrittenFile, ...]:
    """Write them beside the image; returns them with their digests. `sectors`: the image's map."""
    main = written.target
    size = 2352 if written.format == "cue" else 2048
    map_file, report, html = (main.with_suffix(end) for end in (".map", ".json", ".html"))
    write_mapfile(map_file, image_blocks(sectors, _held(refined.layout, written), size))
    facts = facts_of(work)
    protection = recognise(facts)
    bad_q = made_wrong_in(work, facts.odd_q, protection)
    told = build_report(
        work,
        layout=refined.layout,
        sectors=sectors,
        findings=refined.findings,
        protection=protection,
        structure=structure_of(work, refined, bad_q, wanted.read_offset),
        files=written.files,
    )
    write_report(report, told)
    write_text_atomically(html, page(told, sectors, refined.layout, facts.files.hit))
    files = [_digested(file) for file in (map_file, report, html)]
    if bad_q:
        files.append(_write_sbi(main.with_suffix(".sbi"), bad_q))
    if wanted.sub and work.has_sub:
        files.append(_write_sub(work.read_sub, work.layout, main.with_suffix(".sub")))
        if wanted.repaired:
            read = repaired_sub(work, bad_q)
            files.append(_write_sub(read, work.layout, main.with_suffix(".repaired.sub")))
    return (*files, _write_checksums(main.with_suffix(".sha256"), (*written.files, *files)))


def _held(layout: Layout, written: WrittenImage) -> tuple[range, ...]:
    """The LBAs that the image holds, in its order: an .iso of a CD only those of one track."""
    if written.format == "cue" or not layout.is_cd:
        return tuple(layout.ranges())
    number = written.tracks[0].number
    track = next(track for track in layout.tracks if track.number == number)
    return (range(track.index1, track.end),)


def _write_sbi(target: Path, frames: tuple[BadQ, ...]) -> WrittenFile:
    with AtomicFile(target) as file:
        file.stream.write(build_sbi((frame.lba, frame.q) for frame in frames))
        file.commit()
    return _digested(target)


def _write_sub(read: Callable[[int, int], Bytes2D], layout: Layout, target: Path) -> WrittenFile:
    hasher = Hasher()
    with AtomicFile(target) as file:
        for lba, count in _blocks(layout):
            data = deinterleave(read(lba, count)).tobytes()
            hasher.update(data)
            file.stream.write(data)
        file.commit()
    return WrittenFile(target, hasher.digests())


def _blocks(layout: Layout) -> Iterator[tuple[int, int]]:
    for area in layout.ranges():
        for lba in range(area.start, area.stop, _BLOCK):
            yield lba, min(_BLOCK, area.stop - lba)


def _write_checksums(target: Path, files: tuple[WrittenFile, ...]) -> WrittenFile:
    lines = [f"{_known(file).sha256}  {file.path.name}\n" for file in files]
    write_text_atomically(target, "".join(lines))
    return _digested(target)


def _known(file: WrittenFile) -> Digests:
    return file.digests or digest_bytes(file.path.read_bytes())


def _digested(path: Path) -> WrittenFile:
    """Of a small file."""
    return WrittenFile(path, digest_bytes(path.read_bytes()))
