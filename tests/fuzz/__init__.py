# SPDX-License-Identifier: Apache-2.0
"""Every reader against changed files: ``python -m tests.fuzz``; see docs/security.md.

``corpora`` makes a small valid set of files for each form of each container (a *specimen*), and
``mutate`` changes it, as a seed and a number say. ``targets`` opens the result and reads it;
``worker`` does that in a process with bounded memory and time, and ``pool`` hands out the work.
"""
