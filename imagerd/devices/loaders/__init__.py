# SPDX-License-Identifier: Apache-2.0
"""Disc loaders: robots and people that move discs between bins and drives.

The host opens and closes trays; a loader only moves discs. What a loader says is a claim, never
the truth: the drive has the last word (`stack.StackRun`).
"""
