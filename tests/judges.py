# SPDX-License-Identifier: Apache-2.0
"""Other people's tools, asked for their judgement. Missing: skip with the reason; in CI, fail."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = {
    "bchunk": "bchunk",
    "iat": "iat",
    "cd-info": "libcdio-utils",
    "iso-info": "libcdio-utils",
    "isoinfo": "genisoimage",
    "genisoimage": "genisoimage",
    "xorriso": "xorriso",
    "chdman": "mame-tools",
    "cdrdao": "cdrdao",
    "toc2cue": "cdrdao",
    "ccd2iso": "ccd2iso",
    "mdf2iso": "mdf2iso",
    "nrg2iso": "nrg2iso",
    "cd-read": "libcdio-utils",
    "ddrescuelog": "gddrescue",
    "cueconvert": "cuetools",
    "7z": "p7zip-full",
    "xz": "xz-utils",
    "dmg2img": "dmg2img",
    "daa2iso": "daa2iso",
    "umockdev-run": "umockdev",
    "systemd-analyze": "systemd",
    "unar": "unar",
    "gzip": "gzip",
    "bzip2": "bzip2",
    "zstd": "zstd",
    "split": "coreutils",
}


def judge(tool: str) -> str:
    """The path of `tool`; skips the test where it is missing, fails it in CI."""
    found = shutil.which(tool)
    if found is None:
        missing(f"{tool} is not installed (Debian package {PACKAGES.get(tool, tool)})")
    return found


def package(module: str, name: str) -> ModuleType:
    """The Python package `name`, which is imported as `module`; where missing, as for a tool."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{name} is not installed (PyPI; pip install {name})")
        raise


def missing(reason: str) -> None:
    """Skip for `reason`; in CI a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def ask(
    tool: str, *arguments: str | Path, cwd: Path | None = None, ok: Sequence[int] = (0,)
) -> str:
    """Run `tool` and return what it printed, both streams; fail if it exits with another code."""
    command = [judge(tool), *(str(argument) for argument in arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode in ok, f"{command} exited {done.returncode}:\n{output}"
    return output
