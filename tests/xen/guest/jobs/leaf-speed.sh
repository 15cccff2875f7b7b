# SPDX-License-Identifier: MIT
# A guest with the kernel's own block frontend: what its disk takes.
insmod /modules/*-xen-blkfront.ko
wait_for 15 test -b /dev/xvda || mark problem "there is no disk"
speed blkfront /dev/xvda
