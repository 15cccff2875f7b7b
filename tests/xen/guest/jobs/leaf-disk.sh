# SPDX-License-Identifier: MIT
# A leaf guest: read the disk's first sector, write one sector, read it back from the disk.
: "${me:?}"
insmod /modules/*-xen-blkfront.ko
tries=0
while [ ! -b /dev/xvda ] && [ $tries -lt 60 ]; do
  sleep 0.25
  tries=$((tries + 1))
done
mark disk "$(cat /sys/block/xvda/size) sectors"
mark label "$(dd if=/dev/xvda bs=32 count=1 2>/dev/null)"
printf 'written by %s' "$me" | dd of=/dev/xvda bs=512 seek=8 conv=sync,fsync 2>/dev/null &&
  mark written "sector 8"
echo 3 >/proc/sys/vm/drop_caches
mark readback "$(dd if=/dev/xvda bs=512 skip=8 count=1 2>/dev/null | tr -d '\0')"
