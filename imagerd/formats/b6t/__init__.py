# SPDX-License-Identifier: Apache-2.0
"""BlindWrite 5 and 6 images: .b5t or .b6t, with data files (.b5i, .b6i). Read only.

``table`` is the description, ``opening`` reads. After what libMirage found out about them; no
image that BlindWrite itself wrote was at hand. See docs/formats-sheets.md.
"""
