# SPDX-License-Identifier: Apache-2.0
"""What a disc is: addresses, sessions, tracks, indexes, sectors, and the source that reads them.

Pure data and arithmetic; no I/O.
"""
