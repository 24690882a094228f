# SPDX-License-Identifier: Apache-2.0
"""What a virtual drive is like: its name, what it can do, and its quirks. Plain data, from TOML.

Built-in profiles are the files in `profiles/`; `DriveProfile.load` takes one of their names or the
path of a file of the same form. Every key may be left out: the defaults are a plain modern drive.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import msgspec

from imagerd.base.errors import BadInput, NotAvailable

C2_POINTERS: Final = 294  # one bit for each of 2352 bytes
C2_AND_BLOCK_ERROR: Final = 296  # the same, with a block error byte and a pad byte

_ONE_X = 176.4  # kB/s of a CD at 1x


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveProfile:
    """One model of drive. Speeds are kB/s (1000 bytes), times seconds, sizes as named."""

    vendor: str = "IMAGERD"
    product: str = "VIRTUAL DRIVE"
    revision: str = "1.00"
    serial: str = "IMAGERD00001"
    firmware_date: str = "20240101000000"

    media: tuple[Literal["cd", "dvd", "bd", "hddvd"], ...] = ("cd", "dvd", "bd")
    loading: Literal["caddy", "tray", "popup", "slot"] = "tray"
    tells_recordable: bool = True  # from pressed discs, as drives that write do

    # Raw reading of CDs
    c2_sizes: tuple[Literal[294, 296], ...] = (C2_POINTERS, C2_AND_BLOCK_ERROR)
    block_error_first: bool = True  # in the 296 bytes: error byte, pad, pointers (MMC-6)
    sub_modes: tuple[Literal[1, 2, 4], ...] = (1, 2, 4)  # raw P-W, formatted Q, R-W
    sub_before_c2: bool = False
    sub_shift: int = 0  # sectors by which the subchannel lags behind the main channel
    q_binary: bool = False  # formatted Q in binary instead of BCD
    q_crc: bool = True  # formatted Q with its CRC; else zeros there
    read_offset: int = 0  # samples; the sign of AccurateRip: sample i comes at i + read_offset
    d8: bool = False  # READ CD-DA, opcode D8
    audio_on_data: Literal["refuse", "scrambled", "plain"] = "refuse"  # expected type CD-DA
    overread_before: int = 150  # sectors before LBA 0 that can be read
    overread_after: int = 0  # sectors of the lead-out that can be read

    # The buffer
    cache_kb: int = 2048
    fua: bool = True  # FUA goes to the medium; False: it is answered from the buffer all the same
    fua_drops_cache: bool = True  # READ(12) of no sectors with FUA empties the buffer
    max_transfer: int = 512 * 1024

    # Speeds and times
    cd_speed: int = 8467  # 48x
    cd_speeds: tuple[int, ...] = (8467, 7056, 4234, 2822, 1411, 706, 176)
    dvd_speed: int = 22160  # 16x
    bd_speed: int = 35968  # 8x
    seek: float = 0.1  # over the whole disc; less for less
    command: float = 0.0002  # what any command costs
    spin_up: float = 0.0  # becoming ready after the tray has closed
    give_up: float = 1.0  # until an unreadable sector is said to be one
    cav: bool = False  # turns as fast everywhere: full speed at the rim only
    speed_change: float = 0.0  # until the disc turns at another speed

    # Reading of hurt surfaces
    tries: int = 8  # more of its own on a sector, at most; each takes a turn
    heeds_retries: bool = True  # tries no more often than mode page 01h says
    gives_uncorrected: bool = False  # raw data that it cannot correct come, with C2; else an error
    lies: float = 0.0  # the share of sectors it cannot correct that it passes as good
    c2_missed: float = 0.0  # the share of wrong bytes without a C2 bit
    c2_false: float = 0.0  # C2 bits at good bytes, as a share of those at wrong ones
    optics: float = 1.0  # wrong bytes, compared with a plain drive
    weak_from: float = 0.0  # mm from the centre, from where on it reads badly
    weak_growth: float = 1.0  # of that, a mm

    # Manners
    transfers_before_error: bool = True  # sectors before the bad one are delivered

    @classmethod
    def load(cls, name: str | Path) -> DriveProfile:
        """A built-in profile by name, or one from a TOML file.

        Raises `NotAvailable` if there is none, `BadInput` if the file is not a profile.
        """
        path = Path(name)
        if isinstance(name, str) and name in profile_names():
            text = (resources.files(__package__) / "profiles" / f"{name}.toml").read_text()
            return cls.parse(text, name)
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            known = ", ".join(profile_names())
            raise NotAvailable(
                f"No drive profile {name} ({error.strerror}); name a file or one of: {known}."
            ) from error

    @classmethod
    def parse(cls, text: str, where: str = "profile") -> DriveProfile:
        """A profile out of TOML text; `where` names it in errors (`BadInput`)."""
        try:
            table = tomllib.loads(text)
            profile = msgspec.convert(table, cls)
        except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"{where} is not a drive profile: {error}.") from error
        if unknown := set(table) - {field.name for field in fields(cls)}:
            raise BadInput(
                f"{where}: no such key in a drive profile: {', '.join(sorted(unknown))}."
            )
        texts = ((profile.vendor, 8), (profile.product, 16), (profile.revision, 4))
        for text, size in texts:
            if len(text) > size or not text.isascii():
                raise BadInput(f"{where}: {text!r} is not {size} ASCII characters or less.")
        if not profile.cd_speeds or min(profile.cd_speeds) <= 0 or profile.cd_speed <= 0:
            raise BadInput(f"{where}: speeds must be positive numbers of kB/s.")
        return profile

    def nearest_speed(self, asked: int) -> int:
        """The CD speed that the drive takes when `asked` kB/s: the fastest that is not faster."""
        slower = [speed for speed in self.cd_speeds if speed <= asked + 2]  # 4x is 705 or 706
        return max(slower, default=min(self.cd_speeds))

    @property
    def times(self) -> float:
        """The top CD speed as a multiple of 1x."""
        return self.cd_speed / _ONE_X


def profile_names() -> tuple[str, ...]:
    """Names of the built-in profiles."""
    folder = resources.files(__package__) / "profiles"
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        )
    )
