# SPDX-License-Identifier: Apache-2.0
"""The CD_TEXT blocks of a cdrdao TOC, both ways.

A TOC holds texts, not packs: those are made anew, in ISO 8859-1 and called English, as cdrdao
does itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText, PackType, Text, build
from imagerd.formats.cdrdao.program import Program, TextEntry
from imagerd.formats.cdrdao.tokens import Tokens, escaped

_KINDS = {
    "TITLE": PackType.TITLE,
    "PERFORMER": PackType.PERFORMER,
    "SONGWRITER": PackType.SONGWRITER,
    "COMPOSER": PackType.COMPOSER,
    "ARRANGER": PackType.ARRANGER,
    "MESSAGE": PackType.MESSAGE,
    "DISC_ID": PackType.DISC_ID,
    "UPC_EAN": PackType.CODE,
    "ISRC": PackType.CODE,
}
_BINARY = frozenset(
    {"GENRE", "TOC_INFO1", "TOC_INFO2", "SIZE_INFO", "CLOSED_INFO", "CLOSED"}
    | {f"RESERVED{number}" for number in range(1, 5)}
)
_NAMES = {kind: name for name, kind in _KINDS.items() if name != "ISRC"}
_LANGUAGES = 8
_ENGLISH = 9
_LONGEST = 160  # as in a CDTEXTFILE; a text of a disc has a dozen packs at the very most
_OF_DISC = (PackType.DISC_ID,)


def read_texts(tokens: Tokens, program: Program, track: int) -> None:
    """A CD_TEXT block, its keyword taken already, of the disc (0) or of a track."""
    tokens.expect("{")
    while tokens.take_if("}") is None:
        if tokens.take_if("LANGUAGE_MAP"):
            _language_map(tokens, program)
        elif tokens.take_if("LANGUAGE"):
            language = tokens.number()
            if language >= _LANGUAGES:
                raise BadInput(f"line {tokens.line}: CD-Text has no language {language}")
            _language(tokens, program, track, language)
        else:
            raise BadInput(f"line {tokens.line}: CD_TEXT holds languages only")


def _language_map(tokens: Tokens, program: Program) -> None:
    tokens.expect("{")
    while tokens.take_if("}") is None:
        # "0 : EN", "0: EN" and "0:EN" are all in use
        words: list[str] = []
        while len("".join(words).split(":")) < 2 or words[-1].endswith(":"):
            words.append(tokens.take().text)
        number, _, code = "".join(words).partition(":")
        if code.upper() not in ("EN", str(_ENGLISH)):
            program.note(tokens.line, f"language {number[:3]} of the CD-Text is called English")


def _language(tokens: Tokens, program: Program, track: int, language: int) -> None:
    tokens.expect("{")
    while tokens.take_if("}") is None:
        name = tokens.take().text.upper()
        kind = _KINDS.get(name)
        if kind is None and name not in _BINARY and not name.startswith("ENCODING_"):
            program.note(tokens.line, f"{name[:20]!r} is no text of CD-Text")
        if name.startswith("ENCODING_"):
            continue
        if tokens.take_if("{"):
            _skip_bytes(tokens)
            program.binary_texts |= name not in ("SIZE_INFO",)
        else:
            value = tokens.string()
            if kind is not None and value:
                program.texts.append(TextEntry(tokens.line, language, kind, track, value))


def _skip_bytes(tokens: Tokens) -> None:
    while tokens.take_if("}") is None:
        tokens.take()


def cd_text(program: Program, tracks: int) -> CdText | None:
    """The packs that the texts of `program` make."""
    texts = []
    for entry in program.texts:
        if "\0" in entry.value or not entry.value.isprintable():
            program.note(entry.line, "a text with control characters in it was cleaned")
        value = "".join(char if char.isprintable() else " " for char in entry.value)
        try:
            value.encode("iso-8859-1")
        except UnicodeEncodeError:
            program.note(entry.line, "a text with letters outside ISO 8859-1 stays in the TOC only")
            continue
        texts.append(Text(entry.language, entry.kind, entry.track, value[:_LONGEST]))
    if program.binary_texts:
        program.note(None, "binary CD-Text (GENRE, TOC_INFO) stays in the TOC only")
    return build(texts, tracks) if texts else None


class Rendered:
    """The CD_TEXT blocks for the disc and for each track, which a TOC counts from 1."""

    def __init__(self, source: CdText | None, first_track: int) -> None:
        self._texts: dict[tuple[int, PackType, int], str] = {}
        for text in source.texts() if source is not None else ():
            track = text.track - first_track + 1 if text.track else 0
            self._texts[text.block, text.kind, track] = text.value
        self._kinds: dict[int, list[PackType]] = {}
        for block, kind, _ in self._texts:
            kinds = self._kinds.setdefault(block, [])
            if kind not in kinds:
                kinds.append(kind)

    def lines(self, track: int) -> Iterator[str]:
        """The block of `track`, or of the disc (0): each kind is given for all, as cdrdao asks."""
        if not self._kinds:
            return
        yield "CD_TEXT {"
        if track == 0:
            entries = " ".join(f"{block} : EN" for block in sorted(self._kinds))
            yield f"  LANGUAGE_MAP {{ {entries} }}"
        for block, kinds in sorted(self._kinds.items()):
            yield f"  LANGUAGE {block} {{"
            for kind in sorted(kinds):
                if track and kind in _OF_DISC:
                    continue
                name = "ISRC" if track and kind is PackType.CODE else _NAMES[kind]
                yield f"    {name} {escaped(self._texts.get((block, kind, track), ''))}"
            yield "  }"
        yield "}"

    def held(self, source: CdText | None, tracks: int) -> bool:
        """Whether the packs made of these texts are those of the source."""
        texts = [Text(*key, value) for key, value in sorted(self._texts.items())]
        return source is None or (bool(texts) and build(texts, tracks).packs == source.packs)
