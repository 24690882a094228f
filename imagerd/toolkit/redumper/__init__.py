# SPDX-License-Identifier: Apache-2.0
"""A disc as the set of files that redumper keeps, so that its `split`, `hash` and `info` can run.

``states``     its states of samples, and which of ours each is
``judging``    what the bytes of a sector tell of it
``placing``    where samples lie in .scram and .state
``subcode``    .subcode, and the sources of subchannel
``cd``         .scram, .state, .subcode and the replies of the TOC
``blocks``     .iso and .state of a DVD or BD
``export``     the whole set
``reading``    such a set as an image
``writing``    options, and the files under temporary names
``told``       .log, which is ours and says so

Facts of the format, each out of the public source of redumper (superg/redumper):

- Numbers of the states, 0 to 4 (common.ixx). 0 is what a hole in a file holds.
- The files begin at LBA -45150 (LBA_START, cd/cd_common.ixx). Sample `i` of the disc (588 a sector)
  lies at ``(i + 45150 * 588) * 4`` in .scram and at ``i + 45150 * 588`` in .state, one byte each.
- A drive's read offset, in AccurateRip's sign, is *subtracted* when a sector is written, the disc's
  write offset *added* when one is read (`write_entry`, `read_entry`, utils/file_io.ixx, with
  ``read_offset`` in cd/cd_dump_new.ixx and ``-getOffset(lba)`` in cd/cd_split.ixx).
- Data sectors lie in .scram as they are on the disc, scrambled (ECMA-130, annex B).
- .subcode has 96 bytes a sector, P–W interleaved, from LBA -45150 too, and never moves (the same).
- .toc is READ TOC format 0 with LBAs, .fulltoc format 2 in MSF, .cdtext format 5, each with its
  header of four bytes (`toc_process`, cd/cd_dump_new.ixx).
- Of a DVD or BD: .iso, and .state with one byte a sector (dvd/dvd_dump.ixx).
- .log is only ever appended to, and read by nothing in redumper (utils/logger.ixx).
"""
