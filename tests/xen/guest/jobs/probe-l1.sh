# SPDX-License-Identifier: MIT
# L1's dom0: everything that L1 Xen offers, in the plainest way.
toolstack_start
mark probe "$(blanket-probe 2>&1)"
