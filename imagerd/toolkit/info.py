# SPDX-License-Identifier: Apache-2.0
"""`info`: what is known of a disc or an image before its sectors are read."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.cdtext import CdText, PackType
from imagerd.disc.ids import cddb_id, musicbrainz_id, toc_text
from imagerd.disc.layout import Medium, SectorFormat, Track, TrackMode
from imagerd.disc.source import SectorSource
from imagerd.filesystems.volume import VolumeInfo, volume_id
from imagerd.formats.origin import Origin, origin_of
from imagerd.toolkit.differences import flag_names
from imagerd.toolkit.volumes import VolumeVerdict, volume_size


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """Index `number` begins at `lba`."""

    number: int
    lba: int


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """One track; `first` and `sectors` count from INDEX 01, `pregap` sectors lie before."""

    number: int
    session: int
    mode: TrackMode
    stored: str
    stored_size: int
    first: int
    sectors: int
    pregap: int
    pregap_not_stored: int
    postgap_not_stored: int
    indexes: tuple[IndexInfo, ...]
    flags: tuple[str, ...]
    isrc: str | None
    title: str | None
    performer: str | None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session: LBAs of its first sector and its lead-out."""

    number: int
    first: int
    lead_out: int


@dataclass(frozen=True, slots=True)
class DensityInfo:
    """A measurement of the pressing's density: `angles` angles, one each `resolution` sectors."""

    first: int
    resolution: int
    angles: int


@dataclass(frozen=True, slots=True)
class DiscInfo:
    """The disc as its layout tells it. `bytes`: of all stored sectors. `densities` (DPM) and
    whether a cue sheet of the disc is kept are what the image tells besides.
    """

    medium: Medium
    disc_type: str
    sectors: int
    bytes: int
    sessions: tuple[SessionInfo, ...]
    tracks: tuple[TrackInfo, ...]
    layers: tuple[int, ...]
    mcn: str | None
    title: str | None
    performer: str | None
    musicbrainz: str | None
    cddb: str | None
    toc: str
    volume: VolumeInfo | None
    volume_size: VolumeVerdict | None
    densities: tuple[DensityInfo, ...] = ()
    keeps_sheet: bool = False


def info(source: SectorSource, origin: Origin | None = None) -> DiscInfo:
    """Describe a disc or an image; only its volume descriptors are read.

    The disc ids are those of discs with audio; others have none. `origin`: what the image knows
    besides, where `source` does not say so itself.
    """
    known = origin or origin_of(source)
    layout = source.layout
    volume = volume_id(source)
    audio = layout.is_cd and any(not track.is_data for track in layout.tracks)
    text = layout.cd_text
    return DiscInfo(
        medium=layout.medium,
        disc_type=layout.disc_type.name.lower(),
        sectors=layout.sectors,
        bytes=sum(len(track.stored_range) * track.stored.size for track in layout.tracks),
        sessions=tuple(
            SessionInfo(session.number, session.start, session.lead_out)
            for session in layout.sessions
        ),
        tracks=tuple(_track(track, text) for track in layout.tracks),
        layers=layout.layers,
        mcn=layout.mcn,
        title=_text(text, PackType.TITLE),
        performer=_text(text, PackType.PERFORMER),
        musicbrainz=musicbrainz_id(layout) if audio else None,
        cddb=cddb_id(layout) if audio else None,
        toc=toc_text(layout),
        volume=volume,
        volume_size=None if volume is None else volume_size(layout, volume),
        densities=tuple(
            DensityInfo(one.start, one.resolution, len(one.angles)) for one in known.densities
        ),
        keeps_sheet=known.sheet is not None,
    )


def _track(track: Track, text: CdText | None) -> TrackInfo:
    return TrackInfo(
        number=track.number,
        session=track.session,
        mode=track.mode,
        stored=_stored_name(track.stored),
        stored_size=track.stored.size,
        first=track.index1,
        sectors=track.end - track.index1,
        pregap=track.pregap,
        pregap_not_stored=track.pregap_virtual,
        postgap_not_stored=track.postgap_virtual,
        indexes=tuple(IndexInfo(index.number, index.lba) for index in track.indexes),
        flags=flag_names(track.control),
        isrc=track.isrc,
        title=_text(text, PackType.TITLE, track.number),
        performer=_text(text, PackType.PERFORMER, track.number),
    )


def _stored_name(stored: SectorFormat) -> str:
    return stored.value[1]


def _text(text: CdText | None, kind: PackType, track: int = 0) -> str | None:
    return None if text is None else text.get(kind, track)
