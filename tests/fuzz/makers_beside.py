# SPDX-License-Identifier: Apache-2.0
"""Small valid files of all else that is read and that others may have made."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from imagerd.base.progress import run
from imagerd.formats import open_image
from imagerd.formats.sbi import build_sbi
from imagerd.recovery.mapfile import Block, Status, write_mapfile
from imagerd.toolkit.redumper.export import export_redumper
from imagerd.toolkit.repair import repair
from tests.dats import datafile
from tests.discs_formats import raw_volume
from tests.fuzz.makers_packed import iso
from tests.fuzz.makers_sheets import WORDS, single, source_of
from tests.iso9660 import iso_image
from tests.sources import audio, data, memory_disc
from tests.test_redumper_export import Told
from tests.toolkit_images import write_cue

_GAMES = {
    f"Game {number} (Region)": {
        f"Game {number} (Track {track}).bin": b"x" * track for track in range(1, 4)
    }
    | {f"Game {number}.cue": b"FILE"}
    for number in range(3)
}
_LIST = """<?xml version="1.0"?>
<!DOCTYPE softwarelist SYSTEM "softwarelist.dtd">
<softwarelist name="psx" description="Sony PlayStation CD-ROMs">
<software name="a"><description>A game</description><year>1999</year><part name="cdrom"
interface="psx_cdrom"><diskarea name="cdrom"><disk name="a (usa)"
sha1="da39a3ee5e6b4b0d3255bfef95601890afd80709" status="good"/></diskarea>
<dataarea name="x" size="0x10"><rom name="b.bin" size="0x10" crc="1" offset="0"/></dataarea>
</part></software></softwarelist>
"""


def dat(folder: Path) -> Path:
    """Logiqx XML, as redump.org has it."""
    (folder / "x.dat").write_text(datafile(_GAMES))
    return folder / "x.dat"


def dat_mame(folder: Path) -> Path:
    """A software list."""
    (folder / "x.xml").write_text(_LIST)
    return folder / "x.xml"


def dat_entities(folder: Path) -> Path:
    """A document type that would expand beyond all bounds."""
    names = [f"e{number}" for number in range(9)]
    declared = '<!ENTITY e0 "word">\n'
    for before, name in pairwise(names):
        declared += f'<!ENTITY {name} "{f"&{before};" * 10}">\n'
    declared += '<!ENTITY file SYSTEM "file:///etc/passwd">\n<!ENTITY % p SYSTEM "x.dtd">\n'
    text = datafile(_GAMES).replace("Game 1", "&e8;&file;", 1)
    start, end = text.index("<!DOCTYPE"), text.index("<datafile>")
    (folder / "x.dat").write_text(f"{text[:start]}<!DOCTYPE datafile [{declared}]>{text[end:]}")
    return folder / "x.dat"


def dat_zip(folder: Path) -> Path:
    """Two DATs in an archive."""
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/x.dat", datafile(_GAMES))
        archive.writestr("y.xml", _LIST)
        archive.writestr("notes.txt", "nothing")
    return folder / "x.zip"


def sums(folder: Path) -> Path:
    """Digests of every kind, coreutils' plain and BSD's form."""
    body = b"content\n"
    (folder / "a.bin").write_bytes(body)
    lines = [f"{hashlib.new(name, body).hexdigest()}  a.bin" for name in ("md5", "sha1", "sha256")]
    lines += [f"SHA1 (a.bin) = {hashlib.sha1(body).hexdigest()}", "# a comment"]
    lines += [f"\\{hashlib.md5(body).hexdigest()} *a\\nb.bin"]
    (folder / "x.md5").write_text("\n".join(lines) + "\n")
    return folder / "x.md5"


def sums_sfv(folder: Path) -> Path:
    """An SFV."""
    (folder / "a.bin").write_bytes(b"content\n")
    (folder / "x.sfv").write_text("; a comment\na.bin 12345678\nsub\\b.bin *9ABCDEF0\n")
    return folder / "x.sfv"


def ddrescue(folder: Path) -> Path:
    """A map beside its .iso."""
    image = iso(folder)
    size = image.stat().st_size
    blocks = (
        Block(0, 20 * 2048, Status.FINISHED),
        Block(20 * 2048, 4096, Status.BAD),
        Block(22 * 2048, size - 22 * 2048, Status.NON_TRIED),
    )
    write_mapfile(folder / "disc.map", blocks, command="ddrescue /dev/sr0 disc.iso")
    return folder / "disc.map"


def journal(folder: Path) -> Path:
    """The undo journal of a repair of three sectors."""
    disc = memory_disc([data(20), audio(10)])
    for lba in (5, 6, 9):
        disc.raw[1][lba, 700] ^= 1
    with closing(open_image(write_cue(folder, disc))) as image:
        made = run(repair(image)).journal
    assert made is not None
    return made


def sbi(folder: Path) -> Path:
    """Records of type 1."""
    frames = [(lba, bytes(range(10))) for lba in (1000, 1005, 40_000)]
    (folder / "x.sbi").write_bytes(build_sbi(frames) + bytes((0, 2, 3, 2, 1, 2, 3)))
    return folder / "x.sbi"


def cdtext(folder: Path) -> Path:
    """The packs of a small disc."""
    (folder / "x.cdt").write_bytes(WORDS.packs)
    return folder / "x.cdt"


def redumper(folder: Path) -> Path:
    """A set of redumper's files."""
    layout = single()
    run(export_redumper(Told(source_of(layout), layout=layout), folder / "disc"))
    return folder / "disc.scram"


def files(folder: Path) -> Path:
    """An ISO 9660 volume with a DVD-Video's names in it."""
    content = {
        "VIDEO_TS.IFO": b"DVDVIDEO-VMG" + bytes(3000),
        "VTS_01_0.IFO": b"DVDVIDEO-VTS" + bytes(3000),
        "VTS_01_1.VOB": bytes(8192),
        "README.TXT": b"text",
    }
    (folder / "disc.iso").write_bytes(iso_image("VOLUME", content))
    return folder / "disc.iso"


def files_raw(folder: Path) -> Path:
    """A volume on raw sectors."""
    (folder / "disc.bin").write_bytes(raw_volume(30).tobytes())
    return folder / "disc.bin"
