# SPDX-License-Identifier: Apache-2.0
"""Copy protections: badness that is meant, told from damage, recorded, and left as it is.

A recogniser is a function from `Facts` to a `Finding` or None. It reads nothing; what it says can
be checked by a person with the disc's listing and the list of bad sectors. None of them helps to
get around a protection: they only say which sectors no retry will ever read.
"""
