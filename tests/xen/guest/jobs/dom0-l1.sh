# SPDX-License-Identifier: MIT
# L1's dom0, which uses disks of L0's.
: "${me:?}"
toolstack_start
. /bed/dom0-disk.sh
. /bed/dom0-nbd.sh
