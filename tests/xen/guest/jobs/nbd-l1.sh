# SPDX-License-Identifier: MIT
# L1's dom0: L0's disk by nbdkit's plugin and the kernel's nbd, and a PV guest on it.
: "${me:?}"
toolstack_start
insmod /nbd/nbd.ko
blanketd >/tmp/blanketd.log 2>&1 &
tries=0
while ! grep -q serving /tmp/blanketd.log && [ $tries -lt 40 ]; do
  sleep 0.25
  tries=$((tries + 1))
done
mark mint "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
nbdkit -f -v -U /tmp/nbd.socket /nbd/nbdkit-blanket-plugin.so vbd/51712 >/tmp/nbdkit.log 2>&1 &
server=$!
tries=0
while [ ! -S /tmp/nbd.socket ] && [ $tries -lt 80 ]; do
  sleep 0.25
  tries=$((tries + 1))
done
mark client "$(nbd-client -unix /tmp/nbd.socket /dev/nbd0 2>&1 | tr '\n' ' ')"
mark size "$(cat /sys/block/nbd0/size)"
start=$(cut -d' ' -f1 /proc/uptime)
dd if=/dev/nbd0 of=/tmp/disk bs=128k iflag=direct 2>/dev/null
mark read "$start to $(cut -d' ' -f1 /proc/uptime), $(stat -c %s /tmp/disk) bytes"
printf 'label of the disk in %s' "$me" | dd of=/dev/nbd0 conv=notrunc,fsync 2>/dev/null
{
  config_leaf "l2-$me" leaf-disk
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/nbd0"]'
} >"/tmp/l2-$me.cfg"
domain_run "l2-$me" 90
sync
nbd-client -d /dev/nbd0 >/dev/null 2>&1
kill $server
wait $server
mark nbdkit "$(grep -E 'doorbells|error' /tmp/nbdkit.log | tail -n 3 | tr '\n' ' ')"
mark left "$(blanketctl status self vbd/51712 2>&1)"
