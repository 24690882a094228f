# SPDX-License-Identifier: Apache-2.0
"""The verbs of `imagerctl`: a new one is a file here that defines `command`, and a line in `VERBS`.

The table holds what the overview needs, so that no verb is imported before it is used. Verbs
import the rooms below inside their functions, for the same reason.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click

IMAGES = "Images and discs"
DRIVES = "Drives"
DAEMON = "The daemon"
ARCHIVE = "The archive"
MORE = "More"

SECTIONS = (IMAGES, ARCHIVE, DRIVES, DAEMON, MORE)


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its section in the overview and the summary, the first line of its help."""

    name: str
    section: str
    summary: str

    def load(self) -> click.Command:
        """Import the verb's module and return its click command."""
        module = importlib.import_module(f"{__name__}.{self.name}")
        command: click.Command = module.command
        return command


VERBS = (
    Verb("info", IMAGES, "Tell what a disc or an image holds."),
    Verb("verify", IMAGES, "Prove every sector that can prove itself, and check hashes."),
    Verb("compare", IMAGES, "Compare disc with disc, whatever the containers."),
    Verb("convert", IMAGES, "Write a disc or an image as another kind of image."),
    Verb("tracks", IMAGES, "Write the tracks of a disc or an image as files of their own."),
    Verb("repair", IMAGES, "Mend an image in its own files, by the parity of its sectors."),
    Verb("merge", IMAGES, "Make one whole image out of several damaged ones of the same disc."),
    Verb("export", IMAGES, "Write a finished disc as the files of another tool."),
    Verb("submission", IMAGES, "Fill in the form of redump.org as far as a disc tells it."),
    Verb("match", IMAGES, "Name discs by the DATs in the catalog, whatever their container."),
    Verb("hash", IMAGES, "Compute the digests of tracks and files."),
    Verb("status", DAEMON, "Tell how the daemon and its drives are."),
    Verb("watch", DAEMON, "Show the daemon at work, live."),
    Verb("jobs", DAEMON, "List the daemon's jobs, newest first."),
    Verb("cancel", DAEMON, "End a job; what it has read is kept."),
    Verb("retry", DAEMON, "Take up a job again that ended short of done."),
    Verb(
        "recover",
        ARCHIVE,
        "Judge the bad sectors of a job anew, by the readings of them that were kept.",
    ),
    Verb("loader", DAEMON, "Work a stack of discs with a loader of the configuration."),
    Verb("virtual", DAEMON, "Add, fill, eject and remove virtual drives of the daemon."),
    Verb("archive", DRIVES, "Bring the disc in DRIVE into the archive, without the daemon."),
    Verb("eject", DRIVES, "Open the tray of a drive that is not at work."),
    Verb("drives", DRIVES, "List the optical drives of this machine."),
    Verb("attach", DRIVES, "Attach IMAGE as a real optical drive."),
    Verb("swap", DRIVES, "Put IMAGE into an attached DRIVE, in place of the disc in it."),
    Verb("detach", DRIVES, "Take an attached DRIVE away."),
    Verb("list", ARCHIVE, "List the images of the archive."),
    Verb("show", ARCHIVE, "Show all that is known of one image."),
    Verb("errors", ARCHIVE, "List the bad sectors of an image."),
    Verb("surface", ARCHIVE, "Draw the surface of a disc: where on it sectors are bad."),
    Verb("report", ARCHIVE, "Write the report of a job as one HTML file."),
    Verb("dat", ARCHIVE, "Keep lists of known dumps (DATs), and write one of your own discs."),
    Verb("completion", MORE, "Print the completion script for a shell."),
)


def find(name: str) -> Verb | None:
    """The verb of that name, or None."""
    return next((verb for verb in VERBS if verb.name == name), None)
