# SPDX-License-Identifier: Apache-2.0
"""The soak test: `make soak`, thousands of insertions and ejections into a running imagerd.

A real daemon with its watcher, workers and catalog, two virtual drives in processes of their own,
and at each drive a person who puts discs in, takes them out too early, presses buttons and pulls
plugs, as a seeded generator says. After each thing that was done, what must hold is looked up in
the catalog and in the archive; between the quarters of a run everything is counted that a process
could lose: open files, processes, threads, memory, files left about.
"""
