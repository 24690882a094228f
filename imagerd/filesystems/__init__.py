# SPDX-License-Identifier: Apache-2.0
"""What lies inside a source: volume descriptors and files."""
