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
    Container.CUE: "bchunk, libcdio, cueconvert, cdrdao, chdman, iat, flac (audio files)",
    Container.CHD: "chdman, both ways",
    Container.TOC: "cdrdao, toc2cue",
    Container.CCD: "ccd2iso",
    Container.NRG: "libcdio, iat",
    Container.MDX: "openssl (the cipher)",
    Container.MDS: "mdf2iso",
    Container.ISO: "iso-info, isoinfo, xorriso, iat",
    Container.XZ: "xz",
    Container.DAA: "daa2iso",
    Container.DMG: "7z, dmg2img",
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
    return ", ".join(feature.value for feature in Feature if feature not in row.holds)


def main() -> None:
    """Write the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + reference() + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
