# SPDX-License-Identifier: Apache-2.0
"""Disc loaders: robots and people."""
