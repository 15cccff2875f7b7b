# SPDX-License-Identifier: MIT
# A PV guest that mounts the file system of its disk: checks what it reads, and writes.
: "${me:?}"
modules_load
wait_for 15 test -b /dev/xvda || mark problem "there is no disk"
mark disk "$(cat /sys/block/xvda/size) sectors"
mkdir -p /mnt
if mount -t ext4 /dev/xvda /mnt; then
  (cd /mnt && sha256sum -c sums) >/tmp/sums 2>&1
  mark sums "$(grep -c ': OK$' /tmp/sums) of $(wc -l </mnt/sums), $(grep -v ': OK$' /tmp/sums | head -n 3 | tr '\n' ' ')"
  mkdir /mnt/new
  dd if=/dev/urandom of=/mnt/new/written bs=64k count=32 2>/dev/null
  cp -r /mnt/files /mnt/new/copy
  sync
  mark written "$(sha256sum </mnt/new/written)"
  umount /mnt || mark problem "the disk isn't let go"
else
  mark problem "the disk can't be mounted"
fi
speed l2 /dev/xvda
