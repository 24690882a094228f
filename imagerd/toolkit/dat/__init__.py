# SPDX-License-Identifier: Apache-2.0
"""DATs: lists of known dumps with their digests, as Redump, No-Intro, TOSEC and MAME publish them.

Logiqx XML (``datafile``) and MAME's software lists are read; Logiqx XML is written. Whatever comes
in a DAT is a stranger's: see `reading`.
"""
