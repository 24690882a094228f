# SPDX-License-Identifier: Apache-2.0
"""Measurements: `make bench`, or ``python -m benchmarks [MODULE...]``.

A module here has one function, ``rows() -> Iterator[Row]``; `benchmarks.__main__` runs those it
names and prints one table. Each figure is a ratio against a named peer that ran in turn with ours
in the same minute, so that a busy machine spoils both alike.
"""
