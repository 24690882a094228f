# SPDX-License-Identifier: Apache-2.0
"""What the files of a kept sheet are called when they are made again.

As the sheet calls them, if they are harmless names that are free; else after the target, and then
the lines of the sheet that name them are all that changes in it. A kept sheet may be anybody's: it
names no folder, no file that is there and is not known to be the target's own, and nothing that
is not called like the data of a disc.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats.cue.keeping import spells, with_command
from imagerd.formats.cue.opening import read_sheet
from imagerd.formats.cue.program import FileEntry
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.restoring import Restoration, UntrueError
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.origin import Origin
from imagerd.formats.output import data_name, is_read
from imagerd.formats.written import WriteOptions

_DATA = frozenset({".bin", ".img", ".iso", ".raw", ".dat", ".cdr", ".mdf", ".bwi"})
_LONGEST = 200  # bytes of a name, so that the part file's is not too long


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """The sheet, and the names of its files without that of a packing; `cdt`: of the CD-Text."""

    sheet: bytes
    names: tuple[str, ...]
    cdt: str | None


def named_files(
    wanted: Restoration, target: Path, options: WriteOptions, suffix: str, origin: Origin
) -> NamedFiles:
    """The names, all in the folder of `target`. Raises `UntrueError` where the sheet has none."""
    entries = wanted.program.files
    said = [_said(entry, target, origin) for entry in entries]
    if suffix and len(said) == 1:  # X.bin.ecm was asked for, and no other
        said = [target.with_suffix(".bin").name]
    own = _replaceable(target) if options.overwrite else frozenset[str]()
    names = said
    if not all(_is_free(target, name, suffix, own, options) for name in said) or _alike(said):
        names = _own(wanted, target, options)
    sheet = wanted.sheet
    for entry, name in zip(entries, names, strict=True):
        if entry.names and name != _last(entry.names[0]):
            sheet = _renamed(sheet, entry.line, name, f'FILE "{name}" {entry.kind or "BINARY"}')
    cdt = _cdt(wanted, target, options, own)
    if cdt is not None and wanted.program.cdtextfile is not None:
        was, line = wanted.program.cdtextfile
        if cdt != _last(was):
            sheet = _renamed(sheet, line, cdt, f'CDTEXTFILE "{cdt}"')
    return NamedFiles(sheet.render(), tuple(names), cdt)


def _renamed(sheet: Sheet, line: int, name: str, command: str) -> Sheet:
    if not spells(name, sheet.encoding.codec):
        raise UntrueError
    return with_command(sheet, line, command)


def _said(entry: FileEntry, target: Path, origin: Origin) -> str:
    """As the sheet has it. What is called like the sheet itself is called like the target."""
    if not entry.names:
        return f"{target.stem}.bin"
    name = _last(entry.names[0])
    stem = origin.stem
    if stem and name.startswith(stem) and not name[len(stem) :][:1].isalnum():
        return target.stem + name[len(stem) :]
    return name


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _is_free(
    target: Path, name: str, suffix: str, own: frozenset[str], options: WriteOptions
) -> bool:
    """Whether a file may be called so."""
    if not _is_harmless(name, _DATA) or name.casefold() == target.name.casefold():
        return False
    path = target.with_name(name + suffix)
    if path.exists() or path.is_symlink():
        return path.name in own and not is_read(path, options)
    return True


def _is_harmless(name: str, suffixes: frozenset[str]) -> bool:
    plain = name.isprintable() and not any(char in '/\\"' for char in name)
    short = len(name.encode("utf-8", "surrogateescape")) <= _LONGEST
    return plain and short and name[:1] != "." and Path(name).suffix.lower() in suffixes


def _alike(names: list[str]) -> bool:
    return len({name.casefold() for name in names}) < len(names)


def _replaceable(target: Path) -> frozenset[str]:
    """The files of the sheet that is there and is to be replaced, which are then replaced too."""
    try:
        program = read_program(read_sheet(target))
    except BadInput:
        return frozenset()
    named = {_last(name) for entry in program.files for name in entry.names}
    if program.cdtextfile is not None:
        named.add(_last(program.cdtextfile[0]))
    return frozenset(named)


def _own(wanted: Restoration, target: Path, options: WriteOptions) -> list[str]:
    """After the target: one file X.bin, of several each with the number of its first track."""
    if len(wanted.files) == 1:
        return [data_name(target, options)]
    tracks = wanted.program.tracks
    firsts = [
        min((t.number for t in tracks if t.first.file == number), default=0)
        for number in range(len(wanted.files))
    ]
    digits = 1 if len(tracks) < 10 else 2
    names = [f"{target.stem} (Track {first:0{digits}}).bin" for first in firsts]
    if _alike(names) or 0 in firsts:
        raise UntrueError
    return names


def _cdt(
    wanted: Restoration, target: Path, options: WriteOptions, own: frozenset[str]
) -> str | None:
    if wanted.program.cdtextfile is None or not wanted.kept.cdt:
        return None
    name = _last(wanted.program.cdtextfile[0])
    path = target.with_name(name)
    free = not path.exists() or (name in own and not is_read(path, options))
    if _is_harmless(name, frozenset({".cdt"})) and free and not path.is_symlink():
        return name
    return target.with_suffix(".cdt").name
