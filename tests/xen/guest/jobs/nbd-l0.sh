# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen with L0's disk, which is a network block device in L1's dom0, and L2's disk. Then a
# plain guest on the same disk.
toolstack_start
config_l1 l1 blanket nbd-l1 >/tmp/l1.cfg
echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]' >>/tmp/l1.cfg
domain_run l1 500
{
  config_common plain pvh 192
  cat <<EOC
kernel = "/images/vmlinux"
ramdisk = "/images/leaf.img"
cmdline = "console=hvc0 mitigations=off quiet me=plain job=leaf-speed"
disk = ["format=raw,vdev=xvda,access=ro,target=/dev/vda"]
EOC
} >/tmp/plain.cfg
domain_run plain 120
blockdev --flushbufs /dev/vda
