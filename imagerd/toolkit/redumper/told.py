# SPDX-License-Identifier: Apache-2.0
"""The .log of an exported set: what it was made of, and what redumper would have had otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from imagerd import __version__
from imagerd.disc.layout import Layout
from imagerd.disc.msf import Msf
from imagerd.toolkit.redumper.states import State

_HEAD = (
    f"imagerd {__version__}: a set of files in the form of redumper's",
    "",
    "This is no log of redumper, and the disc was not read by it. redumper appends its own here.",
)


def log_text(
    layout: Layout, facts: Iterable[tuple[str, str]], counts: dict[State, int], notes: Iterable[str]
) -> str:
    """The whole text. `counts` are samples of a CD, blocks of a DVD or BD."""
    unit = "samples" if layout.is_cd else "sectors"
    told = [f"  {state.name}: {count} {unit}" for state, count in counts.items() if count]
    made = ("made", datetime.now(UTC).isoformat(timespec="seconds"))
    lines = [
        *_HEAD,
        "",
        *(f"{name}: {value}" for name, value in (*facts, made)),
        "",
        "layout:",
        *_layout(layout),
        "",
        "states:",
        *told,
        "",
        "notes:",
        *(f"  {note}" for note in notes),
    ]
    return "".join(f"{' '.join(line.splitlines())}\n" for line in lines)


def _layout(layout: Layout) -> Iterator[str]:
    for session in layout.sessions:
        yield f"  session {session.number}"
        for track in session.tracks:
            yield f"    track {track.number:2} {track.mode.value}"
            for index in track.indexes:
                when = f" {Msf.from_lba(index.lba)}" if layout.is_cd else ""
                yield f"      index {index.number:02} LBA {index.lba:6}{when}"
        yield f"    lead-out LBA {session.lead_out}"
    for lba in layout.layers:
        yield f"  layer break: {lba}"
