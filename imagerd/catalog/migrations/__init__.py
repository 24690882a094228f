# SPDX-License-Identifier: Apache-2.0
"""Alembic's part: how the schema came to be, one file a step in `versions`.

To add a step: change the models, write ``versions/000N_what.py`` by the pattern of the last one,
add its revision to `imagerd.catalog.upgrade.REVISIONS`. A test compares models and migrations.
Steps only go up; what they cannot do within one transaction on SQLite they do in batch mode.
"""
