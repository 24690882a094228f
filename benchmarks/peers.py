# SPDX-License-Identifier: Apache-2.0
"""Specialists that Debian does not have: built from where their source is published."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

# What the published encoder, an extension of Node.js, needs to be a program.
_AROUND = """
#include <cstdio>
#include <cstring>
#include <string>
static void emitProgress(int, int) {}
static void emitComplete(long, long, int *) {}
"""
_MAIN = """
int main(int argc, char **argv) {
  (void)argc;
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  if (!in || !out) return 1;
  eccedc_init();
  ecmify(in, out);
  return fclose(out);
}
"""
_BEGIN, _END = "/* Data types */", "void ecm(const Nan"


def ecm(folder: Path) -> Path | None:
    """The encoder of Neill Corlett's ecm 1.0, out of npm's package `ecm` 1.0.1, by g++ -O2.

    None without npm, g++ or the registry. It has no decoder.
    """
    if not shutil.which("npm") or not shutil.which("g++"):
        return None
    packing = ["npm", "pack", "--silent", "ecm@1.0.1"]
    if subprocess.run(packing, cwd=folder, capture_output=True, check=False).returncode:
        return None
    with tarfile.open(folder / "ecm-1.0.1.tgz") as archive:
        member = archive.extractfile("package/src/ecm.cc")
        assert member is not None
        text = member.read().decode()
    source, program = folder / "ecm.cc", folder / "ecm"
    source.write_text(_AROUND + text[text.index(_BEGIN) : text.index(_END)] + _MAIN)
    subprocess.run(
        ["g++", "-O2", "-w", "-o", program, source], check=True, stdin=subprocess.DEVNULL
    )
    return program
