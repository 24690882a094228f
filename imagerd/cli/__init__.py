# SPDX-License-Identifier: Apache-2.0
"""`imagerctl`: one file per verb in `verbs`, thin; what they share lies beside.

Nothing here may import numpy, SQLAlchemy or rich at module level: help must come at once.
"""
