# SPDX-License-Identifier: Apache-2.0
"""What every room may use: errors, progress, digests, careful files. Knows nothing of discs."""
