# SPDX-License-Identifier: Apache-2.0
"""The virtual drive: an MMC target over any sector source, with planned faults."""
