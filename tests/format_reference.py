# SPDX-License-Identifier: Apache-2.0
"""The table of containers in docs/formats.md, out of the registry.

``python -m tests.format_reference`` writes it into the page.
"""

from __future__ import annotations

from pathlib import Path

from imagerd.formats import Container, Feature
from imagerd.formats.registry import ROWS, Row

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
BEGIN = "<!-- containers: written by python -m tests.format_reference -->\n"
END = "<!-- end of containers -->\n"

# Who else reads or writes it, and is asked by the tests.
JUDGES = {
    Container.CUE: "bchunk, libcdio, cueconvert, pylibcue, cdrdao, chdman, iat, unar, ccd2iso,"
    " mdf2iso, flac (audio files)",
    Container.CHD: "chdman, chdimage",
    Container.TOC: "cdrdao, toc2cue, chdman, iat, unar",
    Container.CCD: "ccd2iso, mdf2iso, iat, unar",
    Container.NRG: "libcdio, iat, unar, nrg2iso (of blocks)",
    Container.MDS: "mdf2iso, ccd2iso, iat, unar",
    Container.GDI: "chdman",
    Container.CDI: "iat, unar",
    Container.B6T: "iat, unar",
    Container.C2D: "iat, unar",
    Container.ISO: "iso-info, isoinfo, xorriso, iat, 7z",
    Container.ECM: "pyecm-tools",
    Container.SPLIT: "split, 7z",
    Container.GZIP: "gzip",
    Container.XZ: "xz",
    Container.ZSTD: "zstd",
    Container.BZIP2: "bzip2",
    Container.DAA: "daa2iso",
    Container.DMG: "7z, dmg2img, pydmg",
}
_NOBODY = "nobody: files made in the tests"


def reference() -> str:
    """The table as Markdown."""
    lines = ["| container | files | read | written | of a disc it does not hold | judged by |"]
    lines.append("|---|---|---|---|---|---|")
    for container, row in sorted(ROWS.items()):
        suffixes = ", ".join(f"`{suffix}`" for suffix in row.suffixes) or "by number: `.001` …"
        judges = JUDGES.get(container, _NOBODY)
        written = "yes" if row.writer else "–"
        lines.append(
            f"| {container.value} | {suffixes} | yes | {written} | {_lacks(row)} | {judges} |"
        )
    return "\n".join(lines) + "\n"


def _lacks(row: Row) -> str:
    if row.writer is None:
        return ""
    if row.holds is None:
        return "not told"
    if row.holds == {Feature.BLOCKS}:
        return "all but the 2048-byte sectors of one track"
    lacks = [feature.value for feature in Feature if feature not in row.holds]
    return ", ".join((*lacks, *(f"{feature.value} (of a GD-ROM)" for feature in row.not_of_gd)))


def main() -> None:
    """Write the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + reference() + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
