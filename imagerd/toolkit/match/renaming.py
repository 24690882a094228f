# SPDX-License-Identifier: Apache-2.0
"""Rename images by a plan that is carried out as a whole or not at all.

Nothing is overwritten. Every file gets its new name as a second one (a hard link), new sheets are
written, and only then the old names go: whoever kills us at any instant finds the images whole
under the old names or the new. What fails half-way is undone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from imagerd.base.errors import AlreadyThere, BadInput, NotAvailable
from imagerd.base.files import AtomicFile, refuse_existing, sync_folder
from imagerd.formats.cue.sheet import Sheet
from imagerd.toolkit.beside import map_name
from imagerd.toolkit.match.pieces import Piece, Pieces, ending
from imagerd.toolkit.match.template import Template

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True, slots=True)
class Move:
    """A file and what it is to be called. `body`: of a sheet, the bytes that it is to have."""

    old: Path
    new: Path
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All moves; files that keep their name are not among them."""

    moves: tuple[Move, ...]


def plan_for(pieces: Pieces, template: Template, fields: Mapping[str, str]) -> Plan:
    """How the image gets its name. Raises `BadInput` where a sheet could not name its files."""
    folder, main = pieces.main.parent, pieces.main
    base = template.path(fields)
    new_main = _named(folder, base, ending(main))
    data = {piece.path: path for piece, path in _data(pieces, folder, template, fields)}
    if pieces.text is not None:
        data[pieces.text.path] = _named(folder, base, pieces.text.path.suffix)
    body = None
    if pieces.sheet is not None:
        named = [*pieces.data, *([pieces.text] if pieces.text is not None else [])]
        body = _adjusted(pieces.sheet, named, data, new_main).render()
    if pieces.other is not None:
        body = pieces.other.with_names({old: _within(new, new_main) for old, new in data.items()})
    moves = [Move(main, new_main, body)]
    moves += [Move(old, new) for old, new in data.items()]
    renamed = {move.old.name: move.new for move in moves}
    for path in pieces.beside:
        owner = renamed.get(path.name.removesuffix(".map"))
        rest = path.name.removeprefix(main.name.removesuffix(ending(main)))
        new = _named(folder, base, rest) if owner is None else map_name(owner)
        moves.append(Move(path, new))
    return Plan(tuple(move for move in moves if _changes(move, pieces)))


def _changes(move: Move, pieces: Pieces) -> bool:
    before = pieces.sheet.render() if pieces.sheet is not None else None
    if pieces.other is not None:
        before = pieces.other.body
    return move.old != move.new or move.body not in (None, before)


def _named(folder: Path, base: PurePosixPath, suffix: str) -> Path:
    path = folder / base
    return path.with_name(path.name + suffix)


def _data(
    pieces: Pieces, folder: Path, template: Template, fields: Mapping[str, str]
) -> Iterator[tuple[Piece, Path]]:
    if pieces.implied:
        stem = len(pieces.main.name.removesuffix(ending(pieces.main)))
        for piece in pieces.data:
            yield piece, _named(folder, template.path(fields), piece.path.name[stem:])
        return
    several = len(pieces.data) > 1
    numbers = [piece.track or 0 for piece in pieces.data]
    digits = 2 if max(numbers, default=0) > 9 else 1
    for piece, number in zip(pieces.data, numbers, strict=True):
        base = template.path(fields, f"{number:0{digits}}" if several else None)
        yield piece, _named(folder, base, piece.path.suffix)


def _adjusted(
    sheet: Sheet, named: Iterable[Piece], data: Mapping[Path, Path], target: Path
) -> Sheet:
    """The sheet with the new names in the lines that have the old ones."""
    for piece in named:
        name = _within(data[piece.path], target)
        for number in piece.lines:
            line = sheet.lines[number - 1]
            indent = line.text[: len(line.text) - len(line.text.lstrip(" \t"))]
            kind = f" {line.file()[1] or 'BINARY'}" if line.keyword == "FILE" else ""
            text = f'{indent}{line.keyword} "{name}"{kind}'
            _check_encoding(text, sheet, target)
            sheet = sheet.with_line(number, text)
    return sheet


def _within(new: Path, sheet: Path) -> str:
    """How `sheet` names `new`."""
    if not new.is_relative_to(sheet.parent):
        raise BadInput(f"{new} would lie outside the folder of {sheet}; change the template.")
    return str(new.relative_to(sheet.parent))


def _check_encoding(text: str, sheet: Sheet, target: Path) -> None:
    codec = sheet.encoding.codec
    try:
        whole = text.encode(codec).decode(codec) == text
    except UnicodeError:
        whole = False
    if not whole:
        raise BadInput(f"The sheet for {target} is encoded in {codec}, which has no such letters.")


def joined(plans: Iterable[Plan]) -> Plan:
    """One plan of several, checked: raises `AlreadyThere` or `BadInput`, nothing is touched yet."""
    moves = tuple(move for plan in plans for move in plan.moves)
    targets: set[str] = set()
    sources: set[Path] = set()
    for move in moves:
        if str(move.new).casefold() in targets:
            raise BadInput(f"Two files would be called {move.new}; nothing was renamed.")
        if move.old in sources:
            raise BadInput(f"{move.old} belongs to two images; nothing was renamed.")
        targets.add(str(move.new).casefold())
        sources.add(move.old)
        if move.new != move.old:
            refuse_existing(move.new)
    return Plan(moves)


def carry_out(plan: Plan) -> None:
    """Rename all, or nothing. Raises `AlreadyThere`, `NotAvailable`; then all is as it was."""
    with ExitStack() as undo:
        for move in plan.moves:
            _make_folders(move.new.parent, undo)
        # Files first: a sheet must never name what is not there.
        order = sorted(plan.moves, key=lambda move: move.body is not None)
        kept = [move for move in order if _give_name(move, undo)]
        for move in kept:
            _drop_name(move, undo)
        for folder in {path.parent for move in plan.moves for path in (move.old, move.new)}:
            with _told(folder):
                sync_folder(folder)
        undo.pop_all()


def _make_folders(folder: Path, undo: ExitStack) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        with _told(path):
            path.mkdir()
        undo.callback(path.rmdir)


def _give_name(move: Move, undo: ExitStack) -> bool:
    """Give the new name; whether the old one is still to be dropped."""
    if move.body is not None:
        return _write_sheet(move, move.body, undo)
    if move.old == move.new:
        return False
    with _told(move.new):
        try:
            os.link(move.old, move.new, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            refuse_existing(move.new)
            move.old.rename(move.new)
            undo.callback(move.new.rename, move.old)
            return False
    undo.callback(move.new.unlink)
    return True


def _write_sheet(move: Move, body: bytes, undo: ExitStack) -> bool:
    with _told(move.old):
        before = move.old.read_bytes()
    in_place = move.old == move.new
    if in_place:
        undo.callback(_restore, move.new, before)
    else:
        refuse_existing(move.new)
        undo.callback(_take_back, move.new, body)
    with _told(move.new):
        mode = stat.S_IMODE(move.old.stat().st_mode)
        _write(move.new, body, overwrite=in_place)
        move.new.chmod(mode)
    return not in_place


def _restore(path: Path, body: bytes) -> None:
    if path.read_bytes() != body:
        _write(path, body, overwrite=True)


def _take_back(path: Path, body: bytes) -> None:
    """Remove a sheet of ours; it may not have got so far, or another's may have come meanwhile."""
    if path.is_file() and path.read_bytes() == body:
        path.unlink()


def _write(path: Path, body: bytes, *, overwrite: bool) -> None:
    with AtomicFile(path, overwrite=overwrite) as file:
        file.stream.write(body)
        file.commit()


def _drop_name(move: Move, undo: ExitStack) -> None:
    with _told(move.old):
        before = move.old.read_bytes() if move.body is not None else None
        move.old.unlink()
    if before is None:
        undo.callback(os.link, move.new, move.old)
    else:
        undo.callback(_write, move.old, before, overwrite=False)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The system's refusals as ours."""
    try:
        yield
    except FileExistsError as error:
        raise AlreadyThere(f"{path} exists already; nothing was renamed.") from error
    except OSError as error:
        raise NotAvailable(
            f"Cannot rename {path}: {error.strerror}; nothing was renamed."
        ) from error
