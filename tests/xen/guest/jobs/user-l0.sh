# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen with L0's disk, which its dom0 uses through blanket.
toolstack_start
mark disk "$(cat /sys/block/vda/size) sectors"
config_l1 l1 blanket user-l1 >/tmp/l1.cfg
echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]' >>/tmp/l1.cfg
domain_run l1 400
blockdev --flushbufs /dev/vda
echo 3 >/proc/sys/vm/drop_caches
mark found "$(head -c 2097152 /dev/vda | sha1sum)"
