# SPDX-License-Identifier: MIT
# L1's dom0, without use of blanket: an L2 guest on a disk that is a file of L1's own.
: "${me:?}"
toolstack_start
mark discovery "$(blanket-discover)"
mark wrong-magic "$(blanket-discover --wrong-magic)"
dd if=/dev/zero of=/tmp/disk bs=1M count=4 2>/dev/null
printf 'label of the disk in %s' "$me" | dd of=/tmp/disk conv=notrunc 2>/dev/null
cp /tmp/disk /tmp/disk.before
{
  config_leaf "l2-$me" leaf-disk
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/tmp/disk"]'
} >"/tmp/l2-$me.cfg"
domain_run "l2-$me" 150
# Offsets count from 1.
mark changed "$(cmp -l /tmp/disk.before /tmp/disk | awk '
  NR == 1 { first = $1 } { last = $1 } END { print NR " bytes, first " first ", last " last }')"
