# SPDX-License-Identifier: Apache-2.0
"""Containers that pack a stream of bytes: what they unpack to is an image again.

``blocks`` gives random access to anything that unpacks block by block; one module for each
container finds its blocks (``open_store``); ``opening`` looks at what comes out. Layouts and limits
are in docs/formats-packed.md.
"""
