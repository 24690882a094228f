# SPDX-License-Identifier: Apache-2.0
"""The database of drives, discs, jobs and images."""
