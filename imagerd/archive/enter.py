# SPDX-License-Identifier: Apache-2.0
"""A published image as the catalog's entry; with it the job ends, in one transaction."""

from __future__ import annotations

from pathlib import Path

from imagerd.archive.account import image_map
from imagerd.archive.publish import Publication
from imagerd.base.digests import Digests
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.describe import describe_counts, describe_errors, describe_tracks
from imagerd.catalog.records import Image, ImageFile, NewImage
from imagerd.recovery.report import FileDigests
from imagerd.recovery.workspace import Workspace


def enter(catalog: Catalog, job: str, work: Workspace, publication: Publication) -> Image:
    """Commit the image, its files, tracks and error ranges; the job is then done or partial."""
    layout = publication.layout.layout()
    sectors = image_map(work, layout, publication.read_offset)
    image = NewImage(
        name=Path(publication.folder).name,
        format=publication.container,
        folder=publication.folder,
        main=publication.main,
        counts=describe_counts(sectors),
        files=tuple(ImageFile(file.name, _digests(file)) for file in publication.files),
        tracks=describe_tracks(
            layout,
            {int(track.name): _digests(track) for track in publication.tracks},
        ),
        read_offset=publication.read_offset,
        fill=publication.fill,
        verified=publication.verified,
        notes=(publication.reason, *publication.notes),
    )
    entered = catalog.images.commit(job, image, describe_errors(sectors))
    if publication.sounds:  # on its own: what is lost by a crash here, `match` finds out again
        catalog.sounds.remember(entered.id, publication.sounds)
    return entered


def _digests(file: FileDigests) -> Digests:
    return Digests(file.size, file.crc32, file.md5, file.sha1, file.sha256)
