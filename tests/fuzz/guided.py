# SPDX-License-Identifier: Apache-2.0
"""The same specimens and targets under atheris, which goes where new code is reached.

``python -m tests.fuzz.guided READER FOLDER [libFuzzer's options]`` is the child for one reader,
which works in FOLDER and does not clean up: libFuzzer ends it. An input's first byte says which
file of which specimen it is, and whether checksums are mended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.places import scratch

_ROOMS = ["imagerd.formats", "imagerd.filesystems", "imagerd.toolkit", "imagerd.disc"]
_AT_THE_END = {"nrg", "cdi", "dmg"}  # where these have their structures
_MOST = 32 << 10  # bytes that are changed; the rest of a file stays


def is_there() -> bool:
    """Whether atheris is installed."""
    return find_spec("atheris") is not None


def run_guided(groups: list[str], minutes: float, folder: Path) -> int:
    """One child after another, each for its share of the time; 1 if any found something."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = max(5, int(minutes * 60 / len(groups)))
    found = 0
    for group in groups:
        with tempfile.TemporaryDirectory(dir=scratch()) as at:
            print(f"fuzz: {group}, guided, {seconds} s", flush=True)
            command = [sys.executable, "-B", "-m", "tests.fuzz.guided", group, at]
            command += [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=512"]
            command += [f"-max_len={_MOST + 1}", f"-artifact_prefix={folder}/{group}-"]
            found |= subprocess.run(command, check=False).returncode != 0
    return found


def _child(group: str, folder: Path, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=_ROOMS):
        from imagerd.base.errors import OperatorError
        from tests.fuzz.corpora import Content, names, specimen
        from tests.fuzz.mend import mended
        from tests.fuzz.targets import refused, target_of

    specimens = [specimen(group, name) for name in names(group)]
    files = [(of, name) for of in specimens for name in of.files][:128]
    use, corpus = target_of(group), folder / "corpus"
    for of in specimens:
        (folder / of.name).mkdir()
        for name, content in of.files.items():
            content.write(folder / of.name / name)
    corpus.mkdir()
    for which, (of, name) in enumerate(files):
        data = of.files[name].data
        part = data[-_MOST:] if group in _AT_THE_END else data[:_MOST]
        (corpus / f"{of.name}-{name}").write_bytes(bytes((which,)) + part)

    def once(data: bytes) -> None:
        head = data[0] if data else 0
        of, name = files[(head & 0x7F) % len(files)]
        content = of.files[name]
        kept, changed = content.data, data[1:]
        changed = kept[:-_MOST] + changed if group in _AT_THE_END else changed + kept[_MOST:]
        path = folder / of.name / name
        Content(mended(changed) if head & 0x80 else changed, content.hole).write(path)
        try:
            use(path.with_name(of.main))
        except OperatorError as error:
            refused(error)
        finally:
            content.write(path)

    atheris.Setup([sys.argv[0], str(corpus), *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
