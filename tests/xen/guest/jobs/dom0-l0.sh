# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen with two disks of L0's, then a plain guest with the one that was measured.
toolstack_start
mark disk "$(cat /sys/block/vda/size) sectors"
{
  config_l1 l1 blanket dom0-l1
  cat <<EOC
disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda",
  "format=raw,vdev=xvdb,access=rw,target=/dev/vdb"]
EOC
} >/tmp/l1.cfg
domain_run l1 900
blockdev --flushbufs /dev/vda
echo 3 >/proc/sys/vm/drop_caches
mark found "$(head -c 2097152 /dev/vda | sha1sum)"
{
  config_guest plain pvh 192 leaf leaf-speed
  echo 'disk = ["format=raw,vdev=xvda,access=ro,target=/dev/vdb"]'
} >/tmp/plain.cfg
domain_run plain 120
blockdev --flushbufs /dev/vdb
