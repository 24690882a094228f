# SPDX-License-Identifier: Apache-2.0
"""The report of a job for people: one HTML file that needs no server, no script and no network.

It is well-formed XML as well. All that comes from discs, drives and files is escaped where the
elements are made (`marking`); a Content-Security-Policy forbids whatever might be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.picture.advice import advise, expected_of
from imagerd.recovery.picture.chart import chart
from imagerd.recovery.picture.marking import Markup, counted, element, grouped
from imagerd.recovery.picture.page_structure import structure_parts
from imagerd.recovery.picture.page_style import STYLE
from imagerd.recovery.picture.page_tables import bad_table, good_again, repaired_table, table
from imagerd.recovery.picture.surface import effort_picture, state_picture
from imagerd.recovery.picture.svg import svg
from imagerd.recovery.report import PassReport, Report
from imagerd.recovery.sectormap import NOT_GOOD, SectorMap

FilesHit = Callable[[range], Sequence[str]]
_MOST = 100  # findings, evidence, runs: more tells nobody more


def no_files(_: range) -> Sequence[str]:
    """Where the files of a disc are not known."""
    return ()


def page(report: Report, sectors: SectorMap, layout: Layout, files_hit: FilesHit = no_files) -> str:
    """The whole page. `files_hit`: the names of the files that some bad sectors lie in."""
    title = report.name or f"{report.disc.medium.upper()} {report.disc.fingerprint[:8]}"
    body = [
        _head(report, sectors, title),
        _maps(sectors, layout),
        _next(report, sectors, layout),
        _bad(report, files_hit),
        _again(report),
        _protection(report),
        _structure(report, layout),
        _said("What was found", report.findings),
        _timeline(report, layout),
        _runs(report),
        _about(report, layout),
        _files(report),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    main = element("main", *(Markup(f"{part}\n") for part in body if part))
    html = element("html", head, element("body", main), lang="en")
    return f"<!DOCTYPE html>\n{html}\n"


def _section(title: str, *content: str) -> Markup:
    return element("section", element("h2", title), *content)


def _head(report: Report, sectors: SectorMap, title: str) -> Markup:
    missing = sectors.count(*NOT_GOOD)
    if not missing:
        verdict, kind = f"All {counted(len(sectors), 'sector')} were read.", "good"
    else:
        verdict = (
            f"{grouped(missing)} of {counted(len(sectors), 'sector')}"
            f" {'is' if missing == 1 else 'are'} missing or doubtful."
        )
        kind = "bad"
    return element(
        "header",
        element("h1", title),
        element("p", verdict, class_=f"verdict {kind}"),
        *(element("p", line) for line in _details(report, sectors)),
    )


def _details(report: Report, sectors: SectorMap) -> Iterator[str]:
    proven, read = (sectors.count(state) for state in (SectorState.PROVEN, SectorState.READ))
    if proven and report.proven is not None:
        verb = "proves itself" if proven == 1 else "prove themselves"
        others = f"; {grouped(read)} came without complaint and cannot." if read else "."
        yield f"{counted(proven, 'sector')} {verb}{others}"
    if (audio := report.audio) is not None:
        yield (
            f"Of the audio, {counted(audio.twice, 'sector')} came alike twice, and"
            f" {grouped(audio.once)} {'was' if audio.once == 1 else 'were'} read once without"
            " complaint."
        )
    words = (
        (SectorState.FAILED, "failed and hold filling"),
        (SectorState.UNREAD, "were never tried and hold filling"),
        (SectorState.SUSPECT, "came, but may be wrong"),
    )
    found = [(sectors.count(state), what) for state, what in words]
    if said := ", ".join(f"{grouped(count)} {what}" for count, what in found if count):
        yield f"{said}."
    if meant := len(expected_of(report)):
        verb = "belongs" if meant == 1 else "belong"
        yield f"Of these, {counted(meant, 'sector')} {verb} to a copy protection, not to damage."
    if mended := len(sectors.repaired):
        verb = "was" if mended == 1 else "were"
        yield f"{counted(mended, 'sector')} {verb} mended by parity."


def _maps(sectors: SectorMap, layout: Layout) -> Markup:
    pictures = [Markup(svg(state_picture(sectors, layout), name="s", inline=True))]
    if len(sectors.errors):
        pictures.append(Markup(svg(effort_picture(sectors, layout), name="e", inline=True)))
    figures = [element("figure", picture) for picture in pictures]
    wide = "one" if len(figures) == 1 else "two" if not layout.layers else "layers"
    note = (
        "The disc as seen from the side that is read. A cell shows the worst of its sectors."
        " Places are those of the nominal spiral: right to a millimetre or two."
    )
    return _section(
        "The surface",
        element("div", *figures, class_=f"maps {wide}"),
        element("p", note, class_="faint"),
    )


def _next(report: Report, sectors: SectorMap, layout: Layout) -> Markup | None:
    pieces = advise(report, sectors, layout)
    if not pieces:
        return None
    items = [
        element(
            "li",
            element("strong", piece.what),
            " ",
            piece.why,
            *([element("pre", piece.command)] if piece.command else []),
        )
        for piece in pieces
    ]
    return _section("What to try next", element("ol", *items))


def _bad(report: Report, files_hit: FilesHit) -> Markup | None:
    if not report.bad:
        return None
    return _section("Bad sectors", *bad_table(report, files_hit))


def _again(report: Report) -> Markup | None:
    parts = [*good_again(report), *repaired_table(report)]
    if report.gains:
        parts.append(element("p", "What came in special ways of reading:"))
        parts.append(
            table(
                ("way of reading", ">sectors"), [(g.how, grouped(g.sectors)) for g in report.gains]
            )
        )
    return _section("Recovered", *parts) if parts else None


def _protection(report: Report) -> Markup | None:
    if not report.protection:
        return None
    parts = []
    for found in report.protection[:_MOST]:
        meant = sum(count for _, count in found.expected)
        said = f" ({found.confidence})"
        said += f": {counted(meant, 'sector')} expected to be bad" if meant else ""
        parts.append(element("h3", found.name, element("small", said)))
        parts.append(element("ul", *(element("li", line) for line in found.evidence[:_MOST])))
        parts.append(element("p", found.basis, class_="faint"))
    return _section("Copy protection", *parts)


def _structure(report: Report, layout: Layout) -> Markup | None:
    if report.structure is None:
        return None
    return _section("Structure", *structure_parts(report.structure, layout))


def _said(title: str, lines: Sequence[str]) -> Markup | None:
    if not lines:
        return None
    items = [element("li", line) for line in lines[:_MOST]]
    if len(lines) > _MOST:
        items.append(element("li", f"… and {grouped(len(lines) - _MOST)} more"))
    return _section(title, element("ul", *items))


def _timeline(report: Report, layout: Layout) -> Markup | None:
    if report.timeline is None or not sum(report.timeline.good) + sum(report.timeline.failed):
        return None
    drawn = Markup(chart(report.timeline, 2352 if layout.is_cd else 2048))
    note = "Time at work: pauses between runs are left out; dashed lines part the runs."
    return _section(
        "Speed and errors",
        element("figure", drawn),
        *([element("p", note, class_="faint")] if len(report.timeline.runs) > 1 else []),
    )


def _runs(report: Report) -> Markup | None:
    parts: list[Markup] = []
    for number, run in enumerate(report.runs[-_MOST:], max(len(report.runs) - _MOST, 0) + 1):
        said = f"Run {number}: {when(run.began)}, {_drive(run.drive)}, imagerd {run.software}"
        parts.append(element("h3", said))
        rows = [_pass_row(step) for step in run.passes]
        if rows:
            heads = ("pass", "begun", ">took", ">bad before", ">after", "ended")
            parts.append(table(heads, rows))
    return _section("Runs and passes", *parts) if parts else None


def _drive(drive: DriveRecord) -> str:
    """For people; with its serial number, for a job may be resumed in another of the same model."""
    name = " ".join((drive.vendor, drive.product, drive.revision)).strip() or "a drive"
    return f"{name} (serial number {drive.serial})" if drive.serial else name


def _pass_row(step: PassReport) -> tuple[str, ...]:
    took = "" if step.ended is None else f"{(step.ended - step.began).total_seconds():.0f} s"
    end = "cut short" if step.ended is None else step.end or "by itself"
    after = "" if step.after is None else grouped(_not_good(step.after))
    return step.name, when(step.began), took, grouped(_not_good(step.before)), after, end


def _not_good(counts: dict[str, int]) -> int:
    return sum(counts.get(state.name.lower(), 0) for state in NOT_GOOD)


def _about(report: Report, layout: Layout) -> Markup:
    disc, drive = report.disc, report.drive
    rows = (
        ("Medium", f"{disc.medium.upper()}, {counted(disc.sectors, 'sector')}"),
        ("Tracks", _tracks(layout)),
        ("Table of contents", disc.toc),
        ("Catalogue number", disc.mcn or ""),
        ("Fingerprint", disc.fingerprint),
        ("Drive", " ".join((drive.vendor, drive.product, drive.revision)).strip()),
        ("Serial number", drive.serial),
        ("Address", drive.address),
        ("Job", report.job),
        ("Begun", when(report.created)),
        ("Reported", f"{when(report.made)} by imagerd {report.software}"),
        ("Filling", "" if report.complete else _filling(report)),
    )
    return _section(
        "Disc, drive and job",
        element("dl", *(e for name, value in rows if value for e in
                        (element("dt", name), element("dd", value)))),
    )  # fmt: skip


def _filling(report: Report) -> str:
    return f"bytes {report.fill.data:#04x}; {report.fill.audio:#04x} in audio"


def _tracks(layout: Layout) -> str:
    audio = sum(not track.is_data for track in layout.tracks)
    data = len(layout.tracks) - audio
    kinds = [f"{count} {kind}" for count, kind in ((data, "data"), (audio, "audio")) if count]
    said = ", ".join(kinds)
    if len(layout.sessions) > 1:
        said += f" in {counted(len(layout.sessions), 'session')}"
    return said + (f", {len(layout.layers) + 1} layers" if layout.layers else "")


def _files(report: Report) -> Markup | None:
    if not report.files:
        return None
    rows = []
    for file in report.files:
        sums = (
            ("SHA-256", file.sha256),
            ("SHA-1", file.sha1),
            ("MD5", file.md5),
            ("CRC-32", file.crc32),
        )
        said = [
            element("div", element("small", name), " ", element("code", value))
            for name, value in sums
        ]
        rows.append((file.name, f"{grouped(file.size)} bytes", Markup("".join(said))))
    return _section("Files", table(("file", ">size", "digests"), rows))


def when(time: datetime) -> str:
    """A time for people, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
