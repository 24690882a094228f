# SPDX-License-Identifier: Apache-2.0
"""imagerctl: one file per verb."""
