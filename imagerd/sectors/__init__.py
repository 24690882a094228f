# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of CD sectors over whole batches of numpy arrays."""
