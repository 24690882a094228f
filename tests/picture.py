# SPDX-License-Identifier: Apache-2.0
"""The picture in the README: ``python -m tests.picture`` writes docs/images/at-work.svg.

Nothing in it is drawn by hand: a real imagerd, two virtual drives that take their time, and
what imagerctl prints on a terminal.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from imagerd.devices.virtual.host import spawn_host
from tests.demo_discs import make_discs
from tests.station import ENDED, Station, station

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "at-work.svg"
COLUMNS = 84
SLOW = 0.05  # real seconds for each second of the drives: slow enough to be watched
PROMPT = ("$ ", "bold #7aa2f7")
REMARK = "#8b949e"
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        *((72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65)),
        *((121, 192, 255), (210, 168, 255), (57, 197, 207), (201, 209, 217)),
    ],
)
# A frame of `imagerctl watch` begins by erasing the one before it.
_ERASE = re.compile(rb"\r?(?:\x1b\[\d*[AK])+")
_CONTROL = re.compile(r"\x1b\[\?\d+[hl]|\r")
# Rich's own template would load a font from the network.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>imagerctl at work</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  line-height: {line_height}px; white-space: pre;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
  <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def terminal(
    here: Station, *words: str, ok: Sequence[int] = (0,)
) -> tuple[bytes, Text]:  # the raw stream, and the command line as typed
    """Run imagerctl on a terminal of `COLUMNS`, in the station's folder."""
    ours, theirs = pty.openpty()
    environment = here.environment() | {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    done = subprocess.Popen(
        [sys.executable, "-m", "imagerd.cli.main", *words],
        cwd=here.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    stream = b"".join(_chunks(ours))
    os.close(ours)
    errors = done.communicate()[1].decode()
    assert done.wait() in ok, f"imagerctl {shlex.join(words)} exited {done.returncode}: {errors}"
    return stream, Text.assemble(PROMPT, (f"imagerctl {shlex.join(words)}", "bold"))


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError:  # how a terminal says that its other end is closed (EIO)
            return
        if not chunk:
            return
        yield chunk


def text_of(stream: bytes) -> Text:
    """What the terminal would show."""
    return Text.from_ansi(_CONTROL.sub("", stream.decode()).strip("\n"))


def frame_of(stream: bytes) -> Text:
    """The latest frame of `watch` in which both drives are reading and one has met damage."""
    frames = [text_of(frame) for frame in _ERASE.split(stream)]
    good = [f for f in frames if f.plain.count("  reading  ") == 2 and " bad" in f.plain]
    assert good, [frame.plain for frame in frames]
    return good[len(good) // 2]


@contextmanager
def slow_drive(here: Station, name: str) -> Iterator[None]:
    """A virtual drive that the daemon finds, and that takes its time."""
    folder = here.config.daemon.runtime / "virtual"
    folder.mkdir(parents=True, exist_ok=True)
    host = spawn_host(folder / f"{name}.sock", name, time_scale=SLOW)
    try:
        yield
    finally:
        host.stop()


def scene() -> list[Text]:
    """Two discs archived at a station, and what is known of them then."""
    with station(start=False) as here, ExitStack() as drives:
        settings = here.config_file.read_text()
        here.config_file.write_text(settings.replace("minutes = 1\n", "minutes = 60\n"))
        scratched, game, _ = make_discs(here.folder)
        here.start()
        for name in ("left", "right"):
            drives.enter_context(slow_drive(here, name))
        here.until(lambda: len(here.client.status().drives) == 2, "the drives")
        here.insert(game.image, name="right")
        here.insert(scratched.image, scratched.faults, "left")
        watched, typed = terminal(here, "watch", "--once", ok=(0, 1))
        shown = [typed, frame_of(watched), Text(), Text("# a moment later", REMARK)]
        here.until(lambda: _ended(here) == 2, "both jobs to end")
        for words, code in (
            (["list"], 0),
            (["errors", "FIELD_NOTES"], 1),
            (["compare", scratched.image.name, "archive/FIELD_NOTES/FIELD_NOTES.iso"], 2),
            (["compare", game.image.name, "archive/GAME_DISC/GAME_DISC.cue"], 0),
        ):
            printed, typed = terminal(here, *words, ok=(code,))
            shown += [typed, text_of(printed), Text()]
        return shown


def _ended(here: Station) -> int:
    return sum(job.state in ENDED for job in here.client.jobs(everything=True))


def svg(lines: Sequence[Text]) -> str:
    """The lines as a terminal's window."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, soft_wrap=False)
    return console.export_svg(
        title="imagerd", theme=THEME, code_format=_FORMAT, unique_id="imagerd"
    )


def main() -> None:
    """Write the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text("".join(f"{line.rstrip()}\n" for line in svg(scene()).splitlines()))


if __name__ == "__main__":
    main()
