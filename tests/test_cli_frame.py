# SPDX-License-Identifier: Apache-2.0
"""The frame of imagerctl: quick help, one sentence for each failure, manners in pipes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, InternalError, NotAvailable
from imagerd.base.progress import Progress
from imagerd.cli import text, verbs
from imagerd.cli.main import cli
from imagerd.cli.output import to_json
from imagerd.cli.progress import ProgressLine
from imagerd.disc.layout import Medium
from tests.sources import audio, data, memory_disc
from tests.toolkit_images import write_cue

COMMAND = [sys.executable, "-m", "imagerd.cli.main"]
HEAVY = ("numpy", "sqlalchemy", "rich", "msgspec", "starlette", "uvicorn", "pyudev", "serial")


def run_true(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A real process, its output in pipes."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    """imagerctl with a verb that raises `error`."""

    @click.command("info")
    def command() -> None:
        raise error

    monkeypatch.setattr(verbs.Verb, "load", lambda self: command)
    return CliRunner().invoke(cli, ["info"])


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom imagerd.cli.main import cli\n"
        f"try: cli.main({arguments!r}, prog_name='imagerctl')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = done.stderr.splitlines()[-1]
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


def test_a_misspelt_verb_is_guessed() -> None:
    result = CliRunner().invoke(cli, ["verfiy"])
    assert result.exit_code == 2
    assert "Did you mean verify?" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["verify"], ["info", "--nonsense"], ["hash", "--check-file"]]
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotAvailable("The disk is full."), 2),
        (DriveLost("/dev/sr0 is gone."), 3),
        (PermissionError(13, "Permission denied", "x.iso"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_failures_are_one_sentence_and_the_code_of_their_family(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    result = failing(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr.startswith("imagerctl: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), InternalError("impossible")])
def test_a_bug_exits_70_and_says_where_its_traceback_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = failing(monkeypatch, error)
    assert result.exit_code == 70
    assert result.stderr.count("\n") == 1
    (written,) = (tmp_path / "imagerd").iterdir()
    assert str(written) in result.stderr
    assert "Traceback" in written.read_text()


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"({sys.executable} -m imagerd.cli.main --help; echo $? >&2) | true",
        shell=True,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr.strip() in ("0", "141")


def test_in_a_pipe_there_is_neither_progress_nor_colour(tmp_path: Path) -> None:
    done = run_true("verify", write_cue(tmp_path, memory_disc([data(50)])))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


def on_terminal(*arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """All that imagerctl prints on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", **(env or {})},
    )
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # EIO: the terminal's last user has gone
        pass
    finally:
        os.close(master)
    assert process.wait(30) == 0
    return shown.decode()


def test_on_a_terminal_results_have_colours_unless_the_user_wants_none(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(50)]))
    env = {"NO_COLOR": ""}
    assert "\x1b[32mGood" in on_terminal("verify", sheet, env=env)
    assert "\x1b" not in on_terminal("verify", sheet, env={"NO_COLOR": "1"})


def test_on_a_terminal_json_is_indented(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(50)]))
    shown = on_terminal("verify", "--json", sheet, env={"NO_COLOR": "1"})
    assert json.loads(shown)["verdict"]["ok"] is True
    assert shown.count("\n") > 10


def test_several_processes_verify_from_the_command_line(tmp_path: Path) -> None:
    disc = memory_disc([data(9000), audio(50)])
    disc.raw[1][[5, 8999], 300] ^= 1
    done = run_true("verify", "--processes", "2", "--json", write_cue(tmp_path, disc))
    assert done.returncode == 1
    track = json.loads(done.stdout)["verdict"]["sectors"]["tracks"][0]
    assert [item["first"] for item in track["wrong_edc"]["ranges"]] == [5, 8999]


@pytest.mark.parametrize("verb", [["hash"], ["verify", "--processes", "2"]])
def test_ctrl_c_exits_130_and_leaves_no_worker(tmp_path: Path, verb: list[str]) -> None:
    image = tmp_path / "large.bin"
    with image.open("wb") as file:
        file.truncate(449_000 * 2352)  # 1 GB of nothing, on no disk
    sheet = tmp_path / "large.cue"
    sheet.write_text('FILE "large.bin" BINARY\n TRACK 01 MODE1/2352\n  INDEX 01 00:00:00\n')
    process = subprocess.Popen(
        [*COMMAND, *verb, str(sheet)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait_for_open(process.pid, image)
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    # Interrupted in the midst of an import, Python ends itself by the signal: 130 for a shell, too.
    assert process.returncode in (130, -signal.SIGINT)
    assert complaint == "imagerctl: Interrupted.\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def _wait_for_open(pid: int, file: Path) -> None:
    """Wait until the process works on `file`."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if link.readlink() == file:
                    return
        time.sleep(0.01)
    raise AssertionError(f"{file} was never opened")


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    image = tmp_path / "large.iso"
    with image.open("wb") as file:
        file.truncate(600 << 20)
    for arguments in (("verify", image), ("convert", image, tmp_path / "copy.cue")):
        assert _peak(*arguments) < 150 << 20


# A small process in between: before exec, a child counts as large as its parent, which is pytest.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak(*arguments: str | Path) -> int:
    """Bytes of the largest resident set of imagerctl and its workers."""
    words = [sys.executable, "-c", _MEASURE, *COMMAND, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout) << 10


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_asks_imagerctl(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_IMAGERCTL_COMPLETE" in result.stdout


def test_bash_completes_verbs_and_options() -> None:
    env = {**os.environ, "_IMAGERCTL_COMPLETE": "bash_complete"}
    program = [sys.executable, "-c", "from imagerd.cli.main import main; main()"]
    for words, expected in (
        ("imagerctl com", "plain,compare"),
        ("imagerctl verify --ch", "plain,--checksums"),
    ):
        done = subprocess.run(
            program,
            env={**env, "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert expected in done.stdout.splitlines()


@given(st.text())
def test_cleaned_text_holds_no_controls(raw: str) -> None:
    shown = text.clean(raw)
    assert len(shown) == len(raw)
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in shown)
    shown.encode()


@given(st.text(alphabet="aé日本ﾊ ", max_size=40), st.integers(2, 20))
def test_fitted_and_padded_text_takes_its_columns(raw: str, width: int) -> None:
    assert text.cells(text.pad(text.fit(raw, width), width)) == width


def test_numbers_read_as_people_write_them() -> None:
    assert text.size(629_145_888) == "629 MB"
    assert text.size(999) == "999 B"
    assert text.size(1500) == "1.5 kB"
    assert text.clock(3723) == "1:02:03"
    assert text.count(1, "sector") == "1 sector"
    assert text.ranges([range(5, 6), range(7, 10)]) == "5, 7–9"
    assert text.ranges([range(i, i + 1) for i in range(0, 40, 2)]).endswith("and 12 more ranges")


def test_a_progress_line_fits_its_terminal() -> None:
    line = ProgressLine("verify", enabled=True)
    for width in (20, 40, 80, 200):
        shown = line.line(Progress(50, 200, "bytes", "日本" * 100), width)
        assert text.cells(shown) <= max(width, 45)
    assert " 25 %" in click.unstyle(line.line(Progress(50, 200), 80))


def test_json_holds_ranges_enums_and_odd_names() -> None:
    value = {"at": range(3, 6), "medium": Medium.CD, "path": Path("a\udcff"), "raw": b"\x01"}
    assert json.loads(to_json(value)) == {
        "at": {"first": 3, "last": 5, "count": 3},
        "medium": "cd",
        "path": "a?",
        "raw": "01",
    }


@pytest.mark.parametrize(
    ("line", "width", "parts"),
    [
        ("  one two", 20, ["  one two"]),
        ("  one two three", 10, ["  one two", "    three"]),
        ("name  value-that-is-too-long", 12, ["name  value-that-is-too-long"]),
        ("", 5, [""]),
    ],
)
def test_lines_break_between_words_only_where_that_helps(
    line: str, width: int, parts: list[str]
) -> None:
    assert text.wrap(line, width) == parts


def test_styles_do_not_count_when_a_line_is_broken() -> None:
    styled = text.bad("three words here")
    assert text.wrap(styled, 16) == [styled]
    assert "".join(text.wrap(styled, 12)).replace("  ", " ") == styled


def test_a_table_cuts_its_last_column_to_the_terminal() -> None:
    rows = [["1", "a" * 40], ["2", "b"]]
    wide = text.table(rows, ["id", "digest"])
    assert max(map(len, map(click.unstyle, wide))) == 46
    narrow = [click.unstyle(line) for line in text.table(rows, ["id", "digest"], width=30)]
    assert max(map(len, narrow)) == 30
    assert narrow[1].endswith("…")
    hopeless = text.table(rows, ["id", "digest"], width=10)
    assert hopeless == wide
