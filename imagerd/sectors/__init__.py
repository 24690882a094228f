# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of CD sectors, over whole batches: arrays of shape (n, 2352).

The only room that knows what byte 16 is. Sources: ECMA-130 (sectors, EDC, parity, scrambler, Q),
the Yellow Book's mode 2 forms as in ECMA-130's sibling for CD-ROM XA, MMC-6 (subchannel).
"""
