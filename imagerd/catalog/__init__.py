# SPDX-License-Identifier: Apache-2.0
"""The database of drives, discs, jobs and images.

`catalog.Catalog` is the door, `records` and `states` what passes through it; models and rows stay
inside. Only `sqlite` knows SQLite, only `migrations` knows Alembic.
"""
