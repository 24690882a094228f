# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of CD sectors, over whole batches: arrays of shape (n, 2352).

The only room that knows what byte 16 is. Sources: ECMA-130 (sectors, EDC, parity, scrambler, Q),
CD-ROM XA (the forms of mode 2), MMC-6 (addresses of the lead-in, raw subchannel).

=============== =========================================================================
``verify``      what each sector is, and whether it is right: the place to begin
``correct``     mending by parity, with the EDC as judge (``decoder`` does the work)
``convert``     between stored forms and raw
``views``       sources over sources: raw, user data, audio with its read offset corrected
``subchannel``  P to W and what Q says; ``subgen`` makes them of a layout
``edc``, ``parity``, ``scramble``, ``galois``, ``geometry``, ``blocks``: what those stand on
=============== =========================================================================
"""
