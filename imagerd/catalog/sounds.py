# SPDX-License-Identifier: Apache-2.0
"""What the images of the archive sound like: two dumps at different offsets sound the same."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from imagerd.catalog.database import Database
from imagerd.catalog.models import ImageRow, SoundRow
from imagerd.toolkit.match.records import Heard, Sound


class Sounds:
    """The universal hashes of images; `match` finds them out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, image_id: int, sounds: Mapping[int, Sound]) -> None:
        """Keep the sounds of an image by track, 0 for all of its audio, in place of older ones."""
        with self._database.write() as session:
            session.execute(delete(SoundRow).where(SoundRow.image_id == image_id))
            session.add_all(
                SoundRow(
                    image_id=image_id,
                    track=track,
                    sha1=sound.sha1,
                    lead=sound.lead,
                    tail=sound.tail,
                )
                for track, sound in sounds.items()
            )

    def of_image(self, image_id: int) -> dict[int, Sound]:
        """What is remembered of an image."""
        query = select(SoundRow).where(SoundRow.image_id == image_id).order_by(SoundRow.track)
        with self._database.read() as session:
            return {
                row.track: Sound(row.sha1, row.lead, row.tail) for row in session.scalars(query)
            }

    def like(self, sound: Sound) -> tuple[Heard, ...]:
        """The images whose whole audio is this sound, by id."""
        query = (
            select(SoundRow, ImageRow)
            .join(ImageRow, ImageRow.id == SoundRow.image_id)
            .where(SoundRow.sha1 == sound.sha1, SoundRow.track == 0)
            .order_by(ImageRow.id)
        )
        with self._database.read() as session:
            return tuple(
                Heard(
                    f"{image.folder.rstrip('/')}/{image.main}",
                    Sound(row.sha1, row.lead, row.tail),
                    image.id,
                )
                for row, image in session.execute(query)
            )
