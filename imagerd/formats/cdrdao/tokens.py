# SPDX-License-Identifier: Apache-2.0
"""A cdrdao TOC as words, strings, numbers and braces, each with the line that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imagerd.base.errors import BadInput

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
      | "(?P<string>(?:[^"\\\n]|\\.)*)"
      | (?P<word>\#?-?[A-Za-z0-9_:+.]+)
      | (?P<sign>[{},])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is decoded; `quoted` tells a string from a word, a number or a brace."""

    text: str
    line: int
    quoted: bool = False


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`. Raises `BadInput` (no file name in it) where there is none."""
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadInput(f"line {line}: {text[at : at + 20].split(chr(10))[0]!r} is no TOC")
        if match["skip"] is None:
            quoted = match["string"] is not None
            body = _unescaped(match["string"]) if quoted else match["word"] or match["sign"]
            yield Token(body, line, quoted)
        line += match[0].count("\n")
        at = match.end()


def strings_behind(text: str, words: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """The strings that stand behind one of `words`: from where to where, and what they say."""
    at, word = 0, ""
    while (match := _TOKEN.match(text, at)) is not None:
        at = match.end()
        if match["skip"] is not None:
            continue
        if match["string"] is not None and word in words:
            yield match.start(), match.end(), _unescaped(match["string"])
        word = (match["word"] or "").upper()


def _unescaped(text: str) -> str:
    r"""`\"`, `\\` and octal `\ooo`, which stands for one byte."""
    return _ESCAPE.sub(lambda m: chr(int(m[1], 8) & 0xFF) if m[1][0] in "01234567" else m[1], text)


def escaped(text: str) -> str:
    """The inverse, with its quotes: what is not ASCII as the octal bytes of ISO 8859-1."""
    parts = []
    for byte in text.encode("iso-8859-1", "replace"):
        char = chr(byte)
        plain = 0x20 <= byte < 0x7F and char not in '"\\'
        parts.append(char if plain else f"\\{byte:03o}" if char not in '"\\' else "\\" + char)
    return f'"{"".join(parts)}"'


class Tokens:
    """A cursor over tokens; every `take` raises `BadInput` at the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0

    @property
    def line(self) -> int:
        """The line of the token last taken."""
        return self._tokens[self._at - 1].line if self._at else 1

    def peek(self) -> Token | None:
        """The next token, not taken; None at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self) -> Token:
        """The next token."""
        token = self.peek()
        if token is None:
            raise BadInput(f"line {self.line}: the TOC ends in the middle of a statement")
        self._at += 1
        return token

    def take_if(self, *texts: str) -> str | None:
        """The next token if it is one of these words, in any case; else None, and not taken."""
        token = self.peek()
        if token is None or token.quoted or token.text.upper() not in texts:
            return None
        self._at += 1
        return token.text.upper()

    def expect(self, text: str) -> None:
        """Take `text`, or raise `BadInput`."""
        if self.take_if(text) is None:
            found = self.peek()
            what = "nothing" if found is None else repr(found.text[:20])
            raise BadInput(f"line {self.line}: {text!r} was expected, not {what}")

    def string(self) -> str:
        """A quoted string."""
        token = self.take()
        if not token.quoted:
            raise BadInput(f"line {token.line}: a string was expected, not {token.text[:20]!r}")
        return token.text

    def number(self) -> int:
        """A number without a sign, of up to twelve digits."""
        token = self.take()
        if token.quoted or not re.fullmatch(r"[0-9]{1,12}", token.text):
            raise BadInput(f"line {token.line}: a number was expected, not {token.text[:20]!r}")
        return int(token.text)
