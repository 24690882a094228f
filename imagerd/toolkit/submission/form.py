# SPDX-License-Identifier: Apache-2.0
"""The form's fields with their values, as text to be pasted and as JSON with MPF's names."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imagerd import __version__
from imagerd.disc.layout import Layout, Medium, TrackMode
from imagerd.disc.msf import Msf
from imagerd.toolkit.submission.facts import DiscFound, Question, Rom
from imagerd.toolkit.submission.tap import OddFrame

REQUIRED: Final = "(REQUIRED)"
IF_EXISTS: Final = "(REQUIRED, IF EXISTS)"
OPTIONAL: Final = "(OPTIONAL)"

NOTICE: Final = (
    "This form was filled in by imagerd, whose logs redump.org does not know: it accepts dumps of"
    " audio discs by redumper only, and of others by programs that it has approved. A submission"
    " with imagerd's logs may be refused. `imagerctl export --redumper` makes files that redumper's"
    " own split, hash and info run on; that is no dump by redumper either."
)
_RING: Final = (
    "Mastering Code (laser branded/etched)",
    "Mastering SID Code",
    "Toolstamp or Mastering Code (engraved/stamped)",
    "Mould SID Code",
    "Additional Mould",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `key` is MPF's section and name of it in JSON, None where it has none."""

    label: str
    value: str
    key: tuple[str, str] | None = None

    @property
    def required(self) -> bool:
        """Whether a person must fill it in."""
        return self.value in (REQUIRED, IF_EXISTS)


@dataclass(frozen=True, slots=True)
class Section:
    """Fields under a heading."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """The whole form. `notes`: what is not as redump.org wants it; the first is `NOTICE`."""

    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    def text(self) -> str:
        """To be pasted; values of several lines stand below their label."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "Notes (remove before submission):"
        yield from (f"\t{note}" for note in self.notes)
        for section in self.sections:
            yield ""
            yield f"{section.title}:"
            for field in section.fields:
                if "\n" not in field.value:
                    yield f"\t{field.label}: {field.value}"
                    continue
                yield f"\t{field.label}:"
                yield ""
                yield from field.value.splitlines()
                yield ""

    def plain(self) -> dict[str, object]:
        """For programs: sections and names of MPF's JSON; what a person must fill in is null."""
        told: dict[str, object] = {"schema_version": 3}
        for section in self.sections:
            for field in section.fields:
                if field.key is None:
                    continue
                group = told.setdefault(field.key[0], {})
                assert isinstance(group, dict)
                open_still = field.value in (REQUIRED, IF_EXISTS, OPTIONAL)
                group[field.key[1]] = None if open_still else field.value
        open_fields = [
            {"section": section.title, "field": field.label, "value": field.value}
            for section in self.sections
            for field in section.fields
            if field.required
        ]
        return {**told, "to_fill_in": open_fields, "notes": list(self.notes)}


def fill_in(found: DiscFound, question: Question) -> Submission:
    """The form of what was found out."""
    sections = (
        Section("Common Disc Info", tuple(_common(found))),
        Section("Ringcode Information", tuple(_rings(found.layout))),
        Section("Version and Editions", tuple(_editions())),
        *_edc(found),
        Section("Extras", tuple(_extras(found))),
        Section("Copy Protection", tuple(_protection(found))),
        _sizes(found, question),
        Section("Dumping Info", tuple(_dumping(question))),
    )
    return Submission(tuple(s for s in sections if s.fields), (NOTICE, *found.caveats))


def dat_line(rom: Rom) -> str:
    """A line of the DAT as redumper and redump.org have it."""
    of = rom.digests
    name = html.escape(rom.name, quote=False).replace('"', "&quot;")
    return (
        f'<rom name="{name}" size="{of.size}" crc="{of.crc32}" md5="{of.md5}" sha1="{of.sha1}" />'
    )


def frame_line(frame: OddFrame) -> str:
    """A frame of Q as redumper's log has it."""
    q = frame.q
    return (
        f"MSF: {Msf.from_lba(frame.lba)} Q-Data: {q[0]:02X}{q[1]:02X}{q[2]:02X}"
        f" {q[3]:02X}:{q[4]:02X}:{q[5]:02X} {q[6]:02X} {q[7]:02X}:{q[8]:02X}:{q[9]:02X}"
        f" {q[10]:02X}{q[11]:02X}"
    )


def media_type(layout: Layout) -> str:
    """As redump.org calls it; the layers of a DVD or BD are counted."""
    layers = len(layout.layers) + 1
    if layout.medium is Medium.DVD:
        return "DVD-5" if layers == 1 else "DVD-9"
    if layout.medium is Medium.BD:
        return {1: "BD-25", 2: "BD-50", 3: "BD-100"}.get(layers, "BD-128")
    return {Medium.CD: "CD", Medium.HDDVD: "HD DVD"}[layout.medium]


def _common(found: DiscFound) -> Iterator[Field]:
    info = "common_disc_info"
    yield Field("Title", REQUIRED, (info, "d_title"))
    yield Field("Foreign Title (Non-latin)", IF_EXISTS, (info, "d_title_foreign"))
    yield Field("Disc Number / Letter", OPTIONAL, (info, "d_number"))
    yield Field("Disc Title", OPTIONAL, (info, "d_label"))
    yield Field("System", REQUIRED, (info, "d_system"))
    yield Field("Media Type", media_type(found.layout), (info, "d_media"))
    yield Field("Category", REQUIRED, (info, "d_category"))
    yield Field("Region", REQUIRED, (info, "d_region"))
    yield Field("Languages", REQUIRED, (info, "d_languages"))
    yield Field("Disc Serial", IF_EXISTS, (info, "d_serial"))
    yield Field("Barcode", IF_EXISTS, (info, "d_barcode"))
    made = found.volume.program_date
    yield Field("EXE/Build Date", made or IF_EXISTS, (info, "d_date"))
    if found.errors is not None:
        yield Field("Error Count", str(found.errors), (info, "d_errors"))
    yield Field("Comments", "\n".join(_comments(found)) or OPTIONAL, (info, "d_comments"))
    yield Field("Contents", OPTIONAL, (info, "d_contents"))


def _comments(found: DiscFound) -> Iterator[str]:
    """What has no field of its own, with the site's codes where there are any."""
    volume = found.volume
    if volume.serial is not None:
        yield f"[T:ISN] {volume.serial}"
    if volume.info is not None and volume.info.volume_id:
        yield f"[T:VOL] {volume.info.volume_id}"
    if len(found.layout.sessions) > 1:
        spans = ", ".join(f"{s.number}: {s.start}-{s.lead_out - 1}" for s in found.layout.sessions)
        yield f"Multisession: {spans}"
    if found.universal is not None:
        yield f"Universal Hash (SHA-1): {found.universal}"


def _rings(layout: Layout) -> Iterator[Field]:
    """Ring codes stand on the disc itself: a person reads them, for each layer."""
    count = len(layout.layers) + 1
    sides = ["Data Side"] if count == 1 else [f"Layer {layer}" for layer in range(count)]
    for side in sides:
        at = sides.index(side) + 1
        keys = (f"ma{at}", f"ma{at}_sid", f"ts{at}", f"mo{at}_sid", f"mo{at}")
        for label, key in zip(_RING, keys, strict=True):
            yield Field(f"{side} {label}", IF_EXISTS, ("common_disc_info", f"d_ring_0_{key}"))
    if count == 1:
        for label in _RING:
            yield Field(f"Label Side {label}", IF_EXISTS)


def _editions() -> Iterator[Field]:
    group = "versions_and_editions"
    yield Field("Version", IF_EXISTS, (group, "d_version"))
    yield Field("Edition/Release", IF_EXISTS, (group, "d_editions_text"))


def _edc(found: DiscFound) -> tuple[Section, ...]:
    """Whether form 2 sectors have an EDC: asked of PlayStation discs."""
    if found.form2_edc is None:
        return ()
    return (Section("EDC", (Field("EDC", "Yes" if found.form2_edc else "No", ("edc", "d_edc")),)),)


def _extras(found: DiscFound) -> Iterator[Field]:
    volume = found.volume
    if volume.pvd is not None:
        yield Field("Primary Volume Descriptor (PVD)", volume.pvd, ("extras", "d_pvd"))
    elif any(track.is_data for track in found.layout.tracks):
        yield Field("Primary Volume Descriptor (PVD)", IF_EXISTS, ("extras", "d_pvd"))
    if volume.header is not None:
        yield Field("Header", volume.header, ("extras", "d_header"))
    if found.layout.medium is Medium.BD:
        label = "Permanent Information & Control (PIC)"
        yield Field(label, REQUIRED, ("extras", "d_pic_data"))
    if not found.layout.is_cd:
        yield Field("BCA", IF_EXISTS, ("extras", "d_bca"))


def _protection(found: DiscFound) -> Iterator[Field]:
    group = "copy_protection"
    if all(track.mode is TrackMode.AUDIO for track in found.layout.tracks):
        return
    known = ", ".join(found.protections)
    yield Field("Copy Protection", known or IF_EXISTS, (group, "d_protection"))
    if found.frames:
        lines = "\n".join(frame_line(frame) for frame in found.frames)
        named = any("SecuROM" in name for name in found.protections)
        key = "d_securom" if named else "d_libcrypt"
        yield Field("SubIntention Data (SecuROM/LibCrypt)", lines, (group, key))


def _sizes(found: DiscFound, question: Question) -> Section:
    if found.layout.is_cd:
        group = "tracks_and_write_offsets"
        offset = IF_EXISTS if question.write_offset is None else f"{question.write_offset:+d}"
        lines = "\n".join(dat_line(rom) for rom in found.roms) + "\n"
        fields = [
            Field("DAT", lines, (group, "d_tracks")),
            Field("Cuesheet", (found.cue or "").replace("\r\n", "\n"), (group, "d_cue")),
            Field("Write Offset", offset, (group, "d_offset_text")),
        ]
        ids = (("MusicBrainz Disc ID", found.musicbrainz), ("CDDB ID", found.cddb))
        fields += [Field(label, value) for label, value in ids if value is not None]
        return Section("Tracks and Write Offsets", tuple(fields))
    group, of = "size_and_checksums", found.roms[0].digests
    breaks = [
        Field("Layerbreak", str(lba), (group, "d_layerbreak" + (f"_{n}" if n > 1 else "")))
        for n, lba in enumerate(found.layout.layers, 1)
    ]
    fields = [
        *breaks,
        Field("Size", str(of.size), (group, "d_size")),
        Field("CRC32", of.crc32, (group, "d_crc32")),
        Field("MD5", of.md5, (group, "d_md5")),
        Field("SHA1", of.sha1, (group, "d_sha1")),
        Field("DAT", dat_line(found.roms[0])),
    ]
    return Section("Size & Checksum", tuple(fields))


def _dumping(question: Question) -> Iterator[Field]:
    group = "dumping_info"
    yield Field("Dumping Program", f"imagerd {__version__}", (group, "d_dumping_program"))
    yield Field("Date", question.made or REQUIRED, (group, "d_dumping_date"))
    vendor, product, revision = question.drive or ("", "", "")
    yield Field("Manufacturer", vendor or REQUIRED, (group, "d_drive_manufacturer"))
    yield Field("Model", product or REQUIRED, (group, "d_drive_model"))
    yield Field("Firmware", revision or REQUIRED, (group, "d_drive_firmware"))
    yield Field("Logs Link", REQUIRED)
