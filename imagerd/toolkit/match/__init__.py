# SPDX-License-Identifier: Apache-2.0
"""`match`: which known dump an image is, and if it is none, what it lacks to be one.

`engine.match_source` is the way in. Digests are looked up in a `records.Library`; what nearly fits
is judged by arithmetic on CRC-32 (`crc`), and believed only when a whole digest agrees.
"""
