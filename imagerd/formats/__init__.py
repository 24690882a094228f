# SPDX-License-Identifier: Apache-2.0
"""Image containers: one module each; open, write, sniff."""
