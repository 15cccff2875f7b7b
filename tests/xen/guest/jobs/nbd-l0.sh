# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen with L0's disk, which is a network block device in L1's dom0, and L2's disk.
toolstack_start
config_l1 l1 blanket nbd-l1 >/tmp/l1.cfg
echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]' >>/tmp/l1.cfg
domain_run l1 400
blockdev --flushbufs /dev/vda
echo 3 >/proc/sys/vm/drop_caches
mark label "$(dd if=/dev/vda bs=23 count=1 2>/dev/null)"
mark written "$(dd if=/dev/vda bs=512 skip=8 count=1 2>/dev/null | head -c 16)"
