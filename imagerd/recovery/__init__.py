# SPDX-License-Identifier: Apache-2.0
"""From a drive to an image as complete as possible."""
