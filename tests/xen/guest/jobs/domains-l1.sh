# SPDX-License-Identifier: MIT
# L1's dom0 with a disk of L0's, and a driver domain with another; then both disks are dom0's, and go.
: "${me:?}"
toolstack_start
. /bed/driver.sh
broker_start
. /bed/domains-two.sh
. /bed/domains-gone.sh
