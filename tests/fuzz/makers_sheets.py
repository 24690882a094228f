# SPDX-License-Identifier: Apache-2.0
"""Small valid images in every form of the containers that describe tracks."""

from __future__ import annotations

import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import Msf
from imagerd.disc.source import SectorSource
from imagerd.formats import WriteOptions, write_image
from imagerd.formats.nrg.chunks import Chunk
from tests import (
    test_formats_b6t,
    test_formats_c2d,
    test_formats_cdi,
    test_formats_gdi,
    test_formats_mdx,
)
from tests.discs_formats import noise, raw_volume, volume_sectors
from tests.sheets import MemorySource, SubSource
from tests.sources import memory_blocks
from tests.test_formats_nrg import nrg

QUICK = WriteOptions(sync=False, hash=False)
WORDS = build([Text(0, PackType.TITLE, 0, "Album"), Text(0, PackType.TITLE, 2, "A song")], 3)
CODE = "4006381333931"
ISRC = "USXX19801234"


def mixed() -> Layout:
    """Data with a volume, audio with indexes and codes, and a second session of mode 2."""
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 24, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 24), Index(1, 28), Index(2, 34)), 40,
        control=Control.COPY_PERMITTED, isrc=ISRC, pregap_virtual=2,
    )  # fmt: skip
    extra = Track(3, 2, TrackMode.MODE2, (Index(1, 11440),), 11450, control=Control.DATA)
    sessions = (Session(1, (data, song), 40), Session(2, (extra,), 11450))
    return Layout(Medium.CD, sessions, mcn=CODE, cd_text=WORDS)


def single() -> Layout:
    """The first session alone, for what holds no more."""
    whole = mixed()
    return Layout(Medium.CD, whole.sessions[:1], mcn=CODE, cd_text=WORDS)


def source_of(layout: Layout, *, sub: bool = False) -> MemorySource:
    """The disc of `layout`, a volume on its first track."""
    source = SubSource(layout) if sub else MemorySource(layout)
    if layout.tracks[0].mode is TrackMode.MODE1:
        source.tracks[1] = raw_volume(24)[: layout.tracks[0].end]
    return source


def written(source: SectorSource, target: Path) -> Path:
    """`source` as the image `target`, by our own writer."""
    run(write_image(source, target, QUICK))
    return target


def cue(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(mixed()), folder / "disc.cue")


_TRACKS = """CATALOG 4006381333931
CDTEXTFILE "disc.cdt"
REM SESSION 01
FILE "data.bin" BINARY
  TRACK 01 MODE1/2352
    FLAGS DCP
    INDEX 01 00:00:00
    POSTGAP 00:00:02
FILE "{name}" {kind}
  TRACK 02 AUDIO
    TITLE "A song"
    ISRC USXX19801234
    PREGAP 00:00:02
    INDEX 00 00:00:00
    INDEX 01 00:00:02
  TRACK 03 AUDIO
    INDEX 01 00:00:10
    INDEX 02 00:00:12
"""


def _cue_with(folder: Path, name: str, kind: str) -> Path:
    (folder / "data.bin").write_bytes(raw_volume(20).tobytes())
    (folder / "disc.cdt").write_bytes(WORDS.packs + b"\0")
    (folder / "disc.cue").write_text(_TRACKS.format(name=name, kind=kind))
    return folder / "disc.cue"


def cue_wave(folder: Path) -> Path:
    """With a WAVE file."""
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(noise(20, 2352, 3).tobytes())
    return _cue_with(folder, "a.wav", "WAVE")


def cue_motorola(folder: Path) -> Path:
    """With samples of the other byte order."""
    (folder / "a.bin").write_bytes(noise(20, 2352, 3).tobytes())
    return _cue_with(folder, "a.bin", "MOTOROLA")


def _cue_sound(folder: Path, form: str) -> Path:
    tone = (np.sin(np.arange(20 * 588) / 20) * 9000).astype(np.int16)
    name = f"a.{form.lower()}"
    soundfile.write(folder / name, np.stack((tone, tone), axis=1), 44100, format=form)
    return _cue_with(folder, name, "WAVE")


def cue_flac(folder: Path) -> Path:
    """With a FLAC file."""
    return _cue_sound(folder, "FLAC")


def cue_aiff(folder: Path) -> Path:
    """With an AIFF file."""
    return _cue_sound(folder, "AIFF")


def cue_ogg(folder: Path) -> Path:
    """With an Ogg Vorbis file."""
    return _cue_sound(folder, "OGG")


def cue_redump(folder: Path) -> Path:
    """Two sessions, as redump.org writes them."""
    for number, rows in ((1, raw_volume(20)), (2, raw_volume(20))):
        (folder / f"t{number}.bin").write_bytes(rows.tobytes())
    (folder / "disc.cue").write_text(
        'REM SESSION 01\nFILE "t1.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n'
        "REM LEAD-OUT 00:00:20\nREM SESSION 02\nREM LEAD-IN 01:00:00\nREM PREGAP 00:02:00\n"
        'FILE "t2.bin" BINARY\n  TRACK 02 MODE1/2352\n    INDEX 01 00:00:00\n'
    )
    return folder / "disc.cue"


def cue_gd(folder: Path) -> Path:
    """A GD-ROM."""
    for number in (1, 2):
        (folder / f"t{number}.bin").write_bytes(raw_volume(20).tobytes())
    (folder / "disc.cue").write_text(
        'REM SINGLE-DENSITY AREA\nFILE "t1.bin" BINARY\n  TRACK 01 MODE1/2352\n'
        '    INDEX 01 00:00:00\nREM HIGH-DENSITY AREA\nFILE "t2.bin" BINARY\n'
        "  TRACK 02 MODE1/2352\n    INDEX 01 00:00:00\n"
    )
    return folder / "disc.cue"


def cue_utf16(folder: Path) -> Path:
    """In UTF-16, and its file found in another spelling."""
    (folder / "DÍSC.BIN").write_bytes(raw_volume(20).tobytes())
    text = 'FILE "dísc.bin" BINARY\r\n  TRACK 01 MODE1/2352\r\n    INDEX 01 00:00:00\r\n'
    (folder / "disc.cue").write_bytes(text.encode("utf-16"))
    return folder / "disc.cue"


def toc(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(single()), folder / "disc.toc")


def toc_sub(folder: Path) -> Path:
    """With subchannel."""
    return written(source_of(single(), sub=True), folder / "disc.toc")


def toc_by_hand(folder: Path) -> Path:
    """With what cdrdao can say and we do not."""
    (folder / "d.bin").write_bytes(noise(20, 2352, 3).tobytes())
    (folder / "disc.toc").write_text(
        'CD_ROM_XA // a comment\nCATALOG "4006381333931"\nCD_TEXT { LANGUAGE_MAP { 0 : EN }\n'
        'LANGUAGE 0 { TITLE "A \\351" SIZE_INFO { 0, 1, 2 } } }\n'
        'TRACK AUDIO NO COPY\nISRC "USXX19801234"\nPRE_EMPHASIS\nTWO_CHANNEL_AUDIO\n'
        'FILE "d.bin" 0 00:00:05 START\nAUDIOFILE "d.bin" SWAP 588 1176\nSILENCE 00:00:02\n'
        'FILE "d.bin" #4704 00:00:08\nINDEX 00:00:03\n'
        'TRACK MODE1_RAW\nPREGAP 00:00:02\nZERO MODE1_RAW 00:00:02\nDATAFILE "d.bin" 00:00:09\n'
    )
    return folder / "disc.toc"


def ccd(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(mixed(), sub=True), folder / "disc.ccd")


def ccd_bare(folder: Path) -> Path:
    """Without its subchannel."""
    path = written(source_of(mixed()), folder / "disc.ccd")
    path.with_suffix(".sub").unlink()
    return path


def nrg_written(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(mixed()), folder / "disc.nrg")


def nrg_sub(folder: Path) -> Path:
    """With subchannel."""
    return written(source_of(mixed(), sub=True), folder / "disc.nrg")


def nrg_version_1(folder: Path) -> Path:
    """Disc at once, of version 1."""
    cut = 174 * 2352
    data = noise(184, 2352, 9).tobytes()

    def row(control: int, track: int, index: int, lba: int) -> bytes:
        return bytes((control, track, index, 0, 0)) + Msf.from_frames(lba + 150).to_bcd()

    rows = ((0x41, 0, 0, -150), (0x41, 1, 0, -150), (0x41, 1, 1, 0), (1, 2, 0, 24), (1, 2, 1, 26))
    cues = b"".join(row(*values) for values in (*rows, (0x01, 0xAA, 1, 34)))
    tracks = struct.pack("<I", 82) + CODE.encode() + b"\0" + bytes((0x20, 1, 1, 2))
    tracks += struct.pack(">12sHB3x3I", b"", 2352, 6, 0, 150 * 2352, cut)
    tracks += struct.pack(">12sHB3x3I", ISRC.encode(), 2352, 7, cut, cut + 4704, len(data))
    chunks = [Chunk("CUES", cues), Chunk("DAOI", tracks), Chunk("SINF", struct.pack(">I", 2))]
    return nrg(folder / "disc.nrg", data, chunks, new=False)


def _nrg_tao(folder: Path, name: str, form: str, lbas: tuple[tuple[int, ...], ...]) -> Path:
    rows = struct.pack(form, 0, 24 * 2048, 0, *lbas[0])
    rows += struct.pack(form, 24 * 2048, 10 * 2352, 7, *lbas[1])
    data = volume_sectors(24).tobytes() + noise(10, 2352, 2).tobytes()
    chunks = [Chunk(name, rows), Chunk("MTYP", struct.pack(">I", 1)), Chunk("CDTX", WORDS.packs)]
    return nrg(folder / "disc.nrg", data, chunks, new=name == "ETN2")


def nrg_tinf(folder: Path) -> Path:
    """Track at once, without LBAs."""
    return _nrg_tao(folder, "TINF", ">III", ((), ()))


def nrg_etnf(folder: Path) -> Path:
    """Track at once, of version 1."""
    return _nrg_tao(folder, "ETNF", ">IIIi4x", ((0,), (174,)))


def nrg_etn2(folder: Path) -> Path:
    """Track at once, of version 2."""
    return _nrg_tao(folder, "ETN2", ">QQIi8x", ((0,), (174,)))


def mds(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(mixed()), folder / "disc.mds")


def mds_sub(folder: Path) -> Path:
    """With subchannel."""
    return written(source_of(mixed(), sub=True), folder / "disc.mds")


def mds_dvd(folder: Path) -> Path:
    """A DVD."""
    return written(memory_blocks(40), folder / "disc.mds")


def gdi(folder: Path) -> Path:
    """As we write it."""
    return written(source_of(test_formats_gdi.gd_rom()), folder / "disc.gdi")


def cdi_new(folder: Path) -> Path:
    """Version 3.5."""
    return test_formats_cdi.cdi(folder / "disc.cdi", source_of(mixed()))


def cdi_sub(folder: Path) -> Path:
    """Version 3.5, with subchannel."""
    track = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 20)
    source = SubSource(Layout(Medium.CD, (Session(1, (track,), 20),)))
    track = replace(track, stored=SectorFormat.RAW_SUB)
    source.layout = Layout(Medium.CD, (Session(1, (track,), 20),))
    return test_formats_cdi.cdi(folder / "disc.cdi", source)


def cdi_2(folder: Path) -> Path:
    """Version 2."""
    return test_formats_cdi.old_cdi(folder / "disc.cdi", source_of(mixed()), 0x80000004)


def cdi_3(folder: Path) -> Path:
    """Version 3."""
    return test_formats_cdi.old_cdi(folder / "disc.cdi", source_of(mixed()), 0x80000005)


def b6t(folder: Path) -> Path:
    """BlindWrite 6."""
    source = SubSource(mixed())
    return test_formats_b6t.b6t(folder / "disc.b6t", source, sub=False)


def b6t_sub(folder: Path) -> Path:
    """BlindWrite 6, with subchannel."""
    return test_formats_b6t.b6t(folder / "disc.b6t", SubSource(mixed()), sub=True)


def b5t_dvd(folder: Path) -> Path:
    """A DVD in two files."""
    rows = volume_sectors(40)
    (folder / "a.b5i").write_bytes(rows[:30].tobytes())
    (folder / "b.b5i").write_bytes(rows[30:].tobytes())
    made = test_formats_b6t
    blocks = [
        made.data_block(30 * 2048, 0, 0, 30, "a.b5i"),
        made.data_block(10 * 2048, 0, 30, 10, "b.b5i"),
    ]
    session = struct.pack("<HBBiiHH", 1, 1, 0, 0, 40, 1, 1) + made.entry(6, 4, 1, 0, 0, 40)
    (folder / "disc.b5t").write_bytes(made.sheet(0x10, [session], blocks, "", b""))
    return folder / "disc.b5t"


def mdx(folder: Path) -> Path:
    """Packed in groups, its table in it."""
    return test_formats_mdx.made(folder, test_formats_mdx.mixed(7))


def mds_2(folder: Path) -> Path:
    """As packed, with the table in a file of its own."""
    return test_formats_mdx.made(folder, test_formats_mdx.mixed(), mdx=False)


def c2d(folder: Path) -> Path:
    """CD-Text behind the header."""
    return test_formats_c2d.c2d(folder / "disc.c2d", source_of(mixed()))


def c2d_after(folder: Path) -> Path:
    """CD-Text behind the rows."""
    return test_formats_c2d.c2d(folder / "disc.c2d", source_of(mixed()), after=True)
