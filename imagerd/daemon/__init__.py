# SPDX-License-Identifier: Apache-2.0
"""Insertion to job to worker process; the local API."""
