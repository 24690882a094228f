# SPDX-License-Identifier: Apache-2.0
"""Image containers: open one as a sector source, write any sector source as one.

>>> image = open_image(Path("game.cue"))                        # doctest: +SKIP
>>> result = run(write_image(image, Path("game.iso")))          # doctest: +SKIP

How to add a container: docs/formats.md.
"""

from imagerd.formats.features import Feature, Featured, Trait
from imagerd.formats.image import Image, Warning_
from imagerd.formats.registry import Container, identify, open_image
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
