# SPDX-License-Identifier: Apache-2.0
"""Image containers: open one as a sector source, write any sector source as one.

>>> image = open_image(Path("game.cue"))                        # doctest: +SKIP
>>> result = run(write_image(image, Path("game.iso")))          # doctest: +SKIP

What writes is imported when it is first asked for: most who come here only read, and soon. How to
add a container: docs/formats.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from imagerd.formats.features import Feature, Featured, Trait
from imagerd.formats.image import Image, Warning_
from imagerd.formats.registry import Container, identify, open_image

if TYPE_CHECKING:
    from imagerd.formats.write import container_of, losses, writable_suffixes, write_image
    from imagerd.formats.written import (
        MARKER,
        TrackDigests,
        WriteOptions,
        WrittenFile,
        WrittenImage,
    )

__all__ = [
    "MARKER",
    "Container",
    "Feature",
    "Featured",
    "Image",
    "TrackDigests",
    "Trait",
    "Warning_",
    "WriteOptions",
    "WrittenFile",
    "WrittenImage",
    "container_of",
    "identify",
    "losses",
    "open_image",
    "writable_suffixes",
    "write_image",
]

_OF_WRITE = ("container_of", "losses", "writable_suffixes", "write_image")


def __getattr__(name: str) -> object:
    """What writes (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{'write' if name in _OF_WRITE else 'written'}")
    value: object = getattr(module, name)
    return value
