# SPDX-License-Identifier: Apache-2.0
"""imagerd: put an optical disc in and walk away."""

__version__ = "0.1.0"
