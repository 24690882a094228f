# SPDX-License-Identifier: Apache-2.0
"""The picture of a job: the map of the disc's surface, and the report for people."""
