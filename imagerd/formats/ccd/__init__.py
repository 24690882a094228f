# SPDX-License-Identifier: Apache-2.0
"""CloneCD images: .ccd (the full table of contents as text), .img and .sub.

``table`` is the text, ``pregap`` asks the .sub, ``opening`` puts it together, ``writing`` writes.
After the files that CloneCD, DiscImageCreator and Aaru write; see docs/formats-sheets.md.
"""
