# SPDX-License-Identifier: Apache-2.0
"""Image containers: open one as a sector source, write any sector source as one.

>>> image = open_image(Path("game.cue"))                        # doctest: +SKIP
>>> result = run(write_image(image, Path("game.iso")))          # doctest: +SKIP

How to add a container: docs/formats.md.
"""

from imagerd.formats.image import Image, Warning_
from imagerd.formats.registry import Container, identify, open_image
from imagerd.formats.write import writable_suffixes, write_image
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
    "Image",
    "TrackDigests",
    "Warning_",
    "WriteOptions",
    "WrittenFile",
    "WrittenImage",
    "identify",
    "open_image",
    "writable_suffixes",
    "write_image",
]
