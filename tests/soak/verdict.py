# SPDX-License-Identifier: Apache-2.0
"""The last judgement: catalog, archive and log as a whole, once the daemon has ended."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from pathlib import Path

from tests.soak.book import Book, Ledger

_SAMPLE = 200  # files whose bytes are compared with their digests
_ALARMS = ("Traceback", "a bug ended", "never awaited", "locked", "silent for too long")
_JOBS = """
SELECT disc.volume_id, job.state FROM job JOIN disc ON disc.id = job.disc_id
ORDER BY job.created, job.id
"""
_IMAGES = """
SELECT disc.volume_id, count(*) FROM image JOIN disc ON disc.id = image.disc_id GROUP BY 1
"""
_FILES = """
SELECT image.folder, image_file.path, image_file.size, image_file.sha1
FROM image_file JOIN image ON image.id = image_file.image_id
"""
_OTHER_STORIES = """
SELECT job.id, job.state FROM job WHERE json_object('to', job.state) IS NOT (
  SELECT json_object('to', json_extract(event.detail, '$.to')) FROM event
  WHERE event.subject = 'job:' || job.id AND event.kind = 'job-state'
  ORDER BY event.id DESC LIMIT 1)
"""


def faults_of_catalog(book: Book, ledger: Ledger) -> list[str]:
    """What the catalog says that is not what was seen, as sentences."""
    found = [f"integrity_check: {row[0]}" for row in book.ask("PRAGMA integrity_check")]
    found = [text for text in found if not text.endswith(": ok")]
    if broken := book.ask("PRAGMA foreign_key_check"):
        found.append(f"{len(broken)} rows of the catalog point nowhere")
    jobs: dict[str, list[str]] = defaultdict(list)
    for label, state in book.ask(_JOBS):
        jobs[label].append(state)
    found += _differences("jobs", jobs, ledger.jobs)
    images = dict(book.ask(_IMAGES))
    found += _differences("images", images, {k: n for k, n in ledger.images.items() if n})
    ((without,),) = book.ask("SELECT count(*) FROM job WHERE disc_id IS NULL")
    if without != ledger.unreadable:
        found.append(f"{without} jobs are of no disc, and {ledger.unreadable} discs were so")
    found += [f"the events of job {job} do not end with {s}" for job, s in book.ask(_OTHER_STORIES)]
    return found


def _differences(what: str, there: dict, wanted: dict) -> list[str]:
    labels = sorted(there.keys() | wanted.keys())
    return [
        f"{label}: the catalog has the {what} {there.get(label)} where {wanted.get(label)} must be"
        for label in labels
        if there.get(label) != wanted.get(label)
    ]


def faults_of_archive(book: Book, archive: Path, rng: random.Random) -> list[str]:
    """Folders and files that do not fit the catalog; of some files every byte is looked at."""
    files = book.ask(_FILES)
    folders = {folder for folder, *_ in files}
    found = [f"{path} is in no catalog" for path in archive.iterdir() if str(path) not in folders]
    for folder, name, size, _ in files:
        path = Path(folder, name)
        if not path.is_file() or path.stat().st_size != size:
            found.append(f"{path} is not there with its {size} bytes")
    for folder, name, _, digest in rng.sample(files, min(_SAMPLE, len(files))):
        path = Path(folder, name)
        if path.is_file() and hashlib.sha1(path.read_bytes()).hexdigest() != digest:
            found.append(f"{path} has another SHA-1 than the catalog says")
    return found


def faults_of_log(log: Path, ledger: Ledger) -> list[str]:
    """Alarms of the daemon, and workers that died though nobody killed them."""
    lines = log.read_text().splitlines()
    found = [line for line in lines if any(alarm in line for alarm in _ALARMS)]
    died = sum(" died (" in line for line in lines)
    if died != ledger.killed:
        found.append(f"{died} workers died, and {ledger.killed} were killed")
    return found


def counts(book: Book) -> dict[str, int]:
    """Jobs by state, and all images."""
    found = dict(book.ask("SELECT state, count(*) FROM job GROUP BY 1 ORDER BY 2 DESC"))
    ((images,),) = book.ask("SELECT count(*) FROM image")
    return found | {"images": images}
