# SPDX-License-Identifier: Apache-2.0
"""What a file system on a disc holds, whichever it is: volumes, their entries, their problems.

A reader of a file system is a function ``volumes(disc: Blocks) -> Iterator[Volume]``. It finds the
volumes of its kind on any data track and yields them; a volume yields its nodes, and tells on the
way what is wrong with it. Nothing raises for what a disc holds.

All addresses are bytes of the disc: its LBA × 2048, and the byte in that block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class View(StrEnum):
    """One way to see a disc's files; a disc may offer several of the same ones."""

    ISO = "iso"  # ISO 9660, the names of its primary (or enhanced) descriptor
    JOLIET = "joliet"
    ROCK_RIDGE = "rr"
    HIGH_SIERRA = "hsf"
    UDF = "udf"
    HFS = "hfs"
    HFS_PLUS = "hfs+"


class NodeKind(StrEnum):
    """What a node is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER = "character"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"


class Piece(Struct, frozen=True):
    """`length` bytes of a file: at byte `offset` of the disc, or a hole of zeros where it is None.

    `data` are the bytes themselves, where the file system keeps them in its own structures.
    """

    offset: int | None
    length: int
    data: bytes | None = None


class Packing(StrEnum):
    """How the content of a file is packed on the disc."""

    ZISOFS = "zisofs"  # Rock Ridge's ZF: 16 bytes of header, pointers, zlib blocks


@dataclass(frozen=True, slots=True)
class Xa:
    """The CD-ROM XA attributes of a file (System Description CD-ROM XA, 2): owner and flags."""

    group: int
    user: int
    attributes: int
    file_number: int


@dataclass(frozen=True, slots=True)
class Mac:
    """What Finder knows of a file: type and creator, four bytes each, and its flags."""

    type: bytes
    creator: bytes
    flags: int = 0


class Node(Struct, frozen=True, kw_only=True):
    """A file, a directory, or what else a file system holds.

    `path`: the names from the root down, with slashes between them and none in front; the root is
    "". Names are as the file system has them: a slash in one is "∕" (U+2215), what is no text in
    its encoding is escaped as `\\udcXX`. `size` and `pieces` are of the data fork, `size` as
    claimed, unpacked; `stored` is what its pieces hold: of less than `size` the rest is not on the
    disc. Times are aware where the file system knows the zone. None: it does not say.
    """

    path: str
    kind: NodeKind
    size: int = 0
    pieces: tuple[Piece, ...] = ()
    packing: Packing | None = None
    modified: datetime | None = None
    created: datetime | None = None
    accessed: datetime | None = None
    changed: datetime | None = None
    mode: int | None = None  # permission bits, without the kind
    uid: int | None = None
    gid: int | None = None
    links: int | None = None
    serial: int | None = None  # the inode number: same for hard links
    target: str | None = None  # of a symbolic link
    device: tuple[int, int] | None = None  # major, minor
    hidden: bool = False
    version: int | None = None  # of ISO 9660, behind the semicolon
    resource: tuple[Piece, ...] = ()  # the resource fork, or the associated file
    xa: Xa | None = None
    mac: Mac | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def stored(self) -> int:
        """Bytes that its pieces hold."""
        return sum(piece.length for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a file system: in which structure, at which byte, and what was assumed.

    `lost`: entries or bytes are missing because of it.
    """

    structure: str
    offset: int | None
    sentence: str
    lost: bool = False


@dataclass(slots=True)
class Problems:
    """Problems of a volume, the first thousand; of the others only how many."""

    kept: list[Problem] = field(default_factory=list)
    untold: int = 0

    def add(self, structure: str, offset: int | None, sentence: str, *, lost: bool = False) -> None:
        """One more."""
        if len(self.kept) < 1000:
            self.kept.append(Problem(structure, offset, sentence, lost))
        else:
            self.untold += 1


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of a descriptor, for people: `("publisher", "ACME")`."""

    name: str
    value: str


class Volume(Protocol):
    """One file system on a disc, seen in one way."""

    @property
    def view(self) -> View:
        """How it is seen."""
        ...

    @property
    def session(self) -> int:
        """The session on whose track it lies."""
        ...

    @property
    def label(self) -> str:
        """The name of the volume."""
        ...

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All fields of its descriptors that say anything."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes that the volume takes up on the disc by its own account, from its beginning on."""
        ...

    @property
    def problems(self) -> Problems:
        """What was wrong so far; complete once all nodes were seen."""
        ...

    def nodes(self) -> Iterator[Node]:
        """All nodes: each directory before what is in it, siblings in the order of the disc.

        Bounded: each directory is read once, loops end, and so do names, sizes and depth.
        """
        ...
