# SPDX-License-Identifier: Apache-2.0
"""What a person asks of images: verify, convert, compare, hash, info."""
