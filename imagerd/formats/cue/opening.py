# SPDX-License-Identifier: Apache-2.0
"""Open a cue sheet as an image."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK, CdText
from imagerd.disc.layout import Layout, Medium, SectorFormat, TrackMode
from imagerd.disc.msf import LBA_MAX
from imagerd.formats import names
from imagerd.formats.audiofile import is_audio, open_audio
from imagerd.formats.cue.kept import kept_sheet
from imagerd.formats.cue.place import place
from imagerd.formats.cue.program import FileEntry, Program
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.cue.texts import cd_text_of
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.packed.opening import PACKED_SUFFIXES, is_packed, unpacked
from imagerd.formats.wave import is_wave, use_as_wave

LARGEST_SHEET = 4 << 20
_LARGEST_CDT = 1 << 20  # some ten times what eight full language blocks need
_COMPRESSED = {b"MAC ": "Monkey's Audio", b"wvpk": "WavPack", b"TTA1": "True Audio"}
_SAMPLES = ("BINARY", "MOTOROLA")  # the bytes of such files are sectors, whatever they look like
_MEDIA = {"DVD": Medium.DVD, "BD": Medium.BD, "HD": Medium.HDDVD}


def read_sheet(path: Path) -> Sheet:
    """The sheet in the file `path`, losslessly. Raises `BadInput` for what cannot be a sheet."""
    file = DataFile(path)
    try:
        if file.size > LARGEST_SHEET:
            raise BadInput(f"{path} is too long for a cue sheet ({file.size} bytes).")
        return Sheet.parse(file.peek(0, LARGEST_SHEET))
    finally:
        file.close()


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the sheet `path` with its data files."""
    return _open(path, allow_outside=allow_outside, glance=False)


def glance_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """As `open_image`; what data files are packed in is taken at its word."""
    return _open(path, allow_outside=allow_outside, glance=True)


def _open(path: Path, *, allow_outside: bool, glance: bool) -> ExtentImage:
    sheet = read_sheet(path)
    with ExitStack() as stack:
        try:
            program = read_program(sheet)
            found = _find_files(path, program, allow_outside=allow_outside)
            files = []
            for entry, file_path in zip(program.files, found, strict=True):
                file = _open_file(program, entry, file_path, glance=glance)
                stack.callback(file.close)
                files.append(file)
            layout, extents = place(program, files)
        except BadInput as error:
            raise _named(path, error) from error
        cdt = _read_cdt(path, program)
        layout = replace(_as_blocks(program, layout), cd_text=cd_text(program, cdt))
        warnings = tuple(Warning_(path, line, sentence) for line, sentence in program.notes)
        paths = (path, *dict.fromkeys(file.path for file in files))
        kept = kept_sheet(sheet.render(), cdt, program.files, files, extents)
        stack.pop_all()
        return ExtentImage(path, "cue", layout, extents, files=paths, warnings=warnings, sheet=kept)


def _named(path: Path, error: BadInput) -> BadInput:
    """The error with the sheet's name before it and a full stop after."""
    text = str(error)
    if str(path) not in text and not text.endswith("."):
        text = f"{path}: {text}"
    return BadInput(text if text.endswith(".") else f"{text}; correct the sheet.")


def _find_files(path: Path, program: Program, *, allow_outside: bool) -> list[Path]:
    found: list[Path] = []
    for entry in program.files:
        try:
            file = names.find(path, entry.names, allow_outside=allow_outside) or names.find(
                path, _packed_names(entry), allow_outside=allow_outside
            )
        except BadInput:
            if len(program.files) > 1 or names.beside(path) is None:
                raise
            file = None
        if file is None:
            found.append(_fallback(path, program, entry))
            continue
        for note in file.notes:
            program.note(entry.line, f"{entry.names[0]!r} was found {note}: {file.path.name}")
        found.append(file.path)
    return found


def _packed_names(entry: FileEntry) -> tuple[str, ...]:
    """X.bin.ecm and the like, for X.bin."""
    return tuple(name + suffix for suffix in PACKED_SUFFIXES for name in entry.names)


def _fallback(path: Path, program: Program, entry: FileEntry) -> Path:
    """The file called like the sheet, where the sheet's own name leads nowhere."""
    beside = names.beside(path) if len(program.files) == 1 else None
    if beside is not None:
        what = f"there is no {entry.names[0]!r}" if entry.names else "there is no FILE command"
        program.note(entry.line, f"{what}; {beside.name} beside the sheet was taken")
        return beside
    if entry.names:
        raise BadInput(
            f"{path}: line {entry.line} names {entry.names[0]!r}, which is not there; put the file"
            " beside the sheet."
        )
    raise BadInput(f"{path} names no data file, and there is no {path.stem}.bin beside it.")


def _open_file(program: Program, entry: FileEntry, path: Path, *, glance: bool) -> DataFile:
    """A data file, unpacked or decoded. Raises `BadInput` for what cannot be read."""
    file = unpacked(path, glance=glance)[0] if is_packed(path) else DataFile(path)
    try:
        head = file.peek(0, 12)
        if entry.kind not in _SAMPLES and is_audio(head, entry.kind):
            audio = open_audio(path)
            file.close()
            for note in audio.store.notes:
                program.note(entry.line, note)
            return audio
        _prepare(program, entry, file, head)
    except BaseException:
        file.close()
        raise
    return file


def _prepare(program: Program, entry: FileEntry, file: DataFile, head: bytes) -> None:
    """Find the samples of a plain file."""
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic) and entry.kind not in _SAMPLES:
            raise BadInput(
                f"{file.path} is {name}, which is not read; decode it to WAVE and name that in the"
                " sheet."
            )
    if is_wave(head):
        if entry.kind not in ("WAVE", "WAV"):
            program.note(entry.line, f"{file.path.name} is a WAVE file, whatever its type says")
        note = use_as_wave(file)
        if note:
            program.note(entry.line, note)
    elif entry.kind == "MOTOROLA":
        file.swap = True
    elif entry.kind not in ("BINARY", ""):
        program.note(entry.line, f"{file.path.name} has no {entry.kind} header: taken for BINARY")


def cd_text(program: Program, cdt: bytes) -> CdText | None:
    """The packs of the CDTEXTFILE `cdt`, or those that the sheet's own texts would make.

    A .cdt file is packs, with or without the 4-byte header of READ TOC and a last zero byte.
    """
    if len(cdt) % PACK in (4, 5) and not 0x80 <= cdt[0] <= 0x8F:
        cdt = cdt[4:]
    whole = len(cdt) // PACK * PACK
    if not whole:
        return cd_text_of(program, [track.number for track in program.tracks])
    text = CdText(cdt[:whole])
    if program.cdtextfile is not None:
        name, line = program.cdtextfile
        if len(cdt) - whole not in (0, 1):
            program.note(line, f"{name} is not a whole number of CD-Text packs")
        bad = text.bad_packs()
        if bad:
            program.note(line, f"{name} has {len(bad)} packs with a wrong CRC")
    return text


def _read_cdt(path: Path, program: Program) -> bytes:
    """The CDTEXTFILE; nothing where the sheet names none that is there."""
    if program.cdtextfile is None:
        return b""
    name, line = program.cdtextfile
    try:
        found = names.find(path, (name,))
    except BadInput:
        found = None
    if found is None:
        program.note(line, f"the CDTEXTFILE {name!r} is not beside the sheet")
        return b""
    file = DataFile(found.path)
    try:
        data = file.peek(0, _LARGEST_CDT + 1)
    finally:
        file.close()
    if len(data) < PACK:
        program.note(line, f"{found.path.name} is not a whole number of CD-Text packs")
    return data


def _as_blocks(program: Program, layout: Layout) -> Layout:
    """A sheet of one track of user data may stand for a DVD or BD: by its word, or by its size."""
    if len(layout.tracks) != 1 or layout.tracks[0].stored is not SectorFormat.USER:
        return layout
    medium = next((m for k, m in _MEDIA.items() if program.media_type.startswith(k)), None)
    if medium is None and layout.end > LBA_MAX:
        medium = Medium.DVD
    if medium is None:
        return layout
    track = replace(layout.tracks[0], mode=TrackMode.BLOCKS)
    session = replace(layout.sessions[0], tracks=(track,))
    return replace(layout, medium=medium, sessions=(session,))
