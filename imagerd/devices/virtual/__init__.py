# SPDX-License-Identifier: Apache-2.0
"""Virtual drives: an MMC target over any sector source, with planned faults.

`target.VirtualDrive` in this process, or `host` and `client` with a socket between them.
"""
