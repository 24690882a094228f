# SPDX-License-Identifier: Apache-2.0
"""DATs written by hand and digests by hashlib and zlib: nothing of ours has a part in them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

Games = Mapping[str, Mapping[str, bytes]]  # by name, the files of each by name


def rom(name: str, data: bytes, **more: str) -> str:
    """A line of a DAT."""
    crc, md5, sha1 = zlib.crc32(data), hashlib.md5(data), hashlib.sha1(data)
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in more.items())
    return (
        f'<rom name={quoteattr(name)} size="{len(data)}" crc="{crc:08x}" '
        f'md5="{md5.hexdigest()}" sha1="{sha1.hexdigest().upper()}"{attributes}/>'
    )


def datafile(games: Games, name: str = "Maker - System", version: str = "2026-05-04") -> str:
    """A DAT as Redump writes it."""
    lines = [
        '<?xml version="1.0"?>',
        '<!DOCTYPE datafile PUBLIC "-//Logiqx//DTD ROM Management Datafile//EN"'
        ' "http://www.logiqx.com/Dats/datafile.dtd">',
        "<datafile>",
        f"<header><name>{escape(name)}</name><description>{escape(name)} - Discs</description>",
        f"<version>{version}</version><date>{version}</date>",
        "<author>redump.org</author><homepage>redump.org</homepage></header>",
    ]
    for game, files in games.items():
        lines.append(f"<game name={quoteattr(game)}><category>Games</category>")
        lines += [f"<description>{escape(game)}</description>"]
        lines += [rom(file, data) for file, data in files.items()]
        lines.append("</game>")
    return "\n".join([*lines, "</datafile>", ""])


def write_datafile(path: Path, games: Games, **more: str) -> Path:
    path.write_text(datafile(games, **more), encoding="utf-8")
    return path
