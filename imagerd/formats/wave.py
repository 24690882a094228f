# SPDX-License-Identifier: Apache-2.0
"""The header of a RIFF WAVE file, as far as a CD needs it: where the samples lie.

Written here because the standard library's reader refuses WAVE_FORMAT_EXTENSIBLE before Python
3.12 and gives no byte offset. (Microsoft/IBM, Multimedia Programming Interface 1.0, 1991.)
"""

from __future__ import annotations

import struct

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile

_PCM, _EXTENSIBLE = 1, 0xFFFE
_MOST_CHUNKS = 1000


def is_wave(head: bytes) -> bool:
    """Whether a file that begins with `head` is a RIFF WAVE file."""
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def use_as_wave(file: DataFile) -> str | None:
    """Set `begin` and `end` of `file` to its samples; returns a sentence if they are cut short.

    Raises `BadInput` unless it is 44.1 kHz, 16 bit, stereo PCM.
    """
    begin, size = _find_samples(file)
    file.begin = begin
    file.end = min(begin + size, file.size)
    file.pad = True
    if size not in (0xFFFFFFFF, 0) and begin + size > file.size:
        return f"{file.path.name} ends {begin + size - file.size} bytes before its header says"
    if size in (0xFFFFFFFF, 0):  # written to a pipe: the length was not known
        file.end = file.size
    return None


def _find_samples(file: DataFile) -> tuple[int, int]:
    at, format_seen = 12, False
    for _ in range(_MOST_CHUNKS):
        head = file.peek(at, 8)
        if len(head) < 8:
            break
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"fmt ":
            _check_format(file, file.peek(at + 8, min(size, 40)))
            format_seen = True
        elif name == b"data" and format_seen:
            return at + 8, size
        at += 8 + size + (size & 1)
    raise BadInput(f"{file.path} is a WAVE file without samples; rip or convert it again.")


def _check_format(file: DataFile, body: bytes) -> None:
    if len(body) < 16:
        raise BadInput(f"{file.path} has a damaged WAVE header; rip or convert it again.")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack("<H", body[24:26])[0]
    if (tag, channels, rate, bits) != (_PCM, 2, 44100, 16):
        raise BadInput(
            f"{file.path} holds {channels} channels of {bits} bits at {rate} Hz (format {tag});"
            " a CD needs PCM, stereo, 16 bits, 44100 Hz: convert it first."
        )
