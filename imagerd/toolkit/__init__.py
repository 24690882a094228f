# SPDX-License-Identifier: Apache-2.0
"""What a person asks of discs and images alike: verify, compare, convert, hash, info.

Each is a function over a `SectorSource` that yields `Progress` and returns a frozen, typed result.
Nothing here prints.
"""
