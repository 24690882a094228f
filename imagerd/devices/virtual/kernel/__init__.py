# SPDX-License-Identifier: Apache-2.0
"""A virtual drive as a real /dev/srN: the kernel's SCSI target core hands us its commands.

TCMU (target_core_user) puts each command into a ring of shared memory, tcm_loop makes a SCSI host
of it. Both are modules of the stock kernel; `docs/virtual-drive.md` has the user's side.
"""
