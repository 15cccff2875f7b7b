# SPDX-License-Identifier: MIT
# L1's dom0: L0's disk by nbdkit's plugin and the kernel's nbd, and a PV guest with its file system.
: "${me:?}"
toolstack_start
insmod /nbd/nbd.ko
blanketd >/tmp/blanketd.log 2>&1 &
wait_for 20 grep -q serving /tmp/blanketd.log || mark problem "blanketd: $(cat /tmp/blanketd.log)"
mark mint "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"

# nbd DEVICE SOCKET ARGUMENTS...: a server and the kernel's client; its pid in $server.
nbd() {
  device=$1
  socket=$2
  shift 2
  nbdkit -f -U "$socket" "$@" >>/tmp/nbdkit.log 2>&1 &
  server=$!
  wait_for 60 test -S "$socket" || mark problem "nbdkit: $(tail -n 1 /tmp/nbdkit.log)"
  nbd-client -unix "$socket" "$device" >/tmp/client.log 2>&1 || mark problem "nbd-client: $(tail -n 1 /tmp/client.log)"
}

# count: hypercalls of L1's domains so far.
count() {
  blanketctl --json limits | tr ',{}' '\n\n\n' | awk '/"calls"/ { print $2 }'
}

for kind in persistent granted; do
  nbd /dev/nbd0 /tmp/$kind.socket /nbd/nbdkit-blanket-plugin.so vbd/51712 timeout=120 "persistent=$(
    [ $kind = persistent ] && echo true || echo false)"
  mark "size-$kind" "$(cat /sys/block/nbd0/size)"
  speed "$kind" /dev/nbd0
  first=$(count)
  dd if=/dev/nbd0 of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null
  second=$(count)
  dd if=/dev/nbd0 of=/dev/null bs=128k count=64 iflag=direct 2>/dev/null
  mark "calls-$kind" "$first $second $(count)"
  [ $kind = granted ] && break
  {
    config_leaf "l2-$me" leaf-files
    echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/nbd0"]'
  } >"/tmp/l2-$me.cfg"
  domain_run "l2-$me" 150
  sync
  nbd-client -d /dev/nbd0 >/dev/null 2>&1
  kill "$server"
  wait "$server"
done
nbd-client -d /dev/nbd0 >/dev/null 2>&1
kill "$server"
wait "$server"
nbd /dev/nbd1 /tmp/memory.socket /nbd/nbdkit-memory-plugin.so size=32M
dd if=/dev/urandom of=/dev/nbd1 bs=1M count=32 2>/dev/null
speed memory /dev/nbd1
nbd-client -d /dev/nbd1 >/dev/null 2>&1
kill "$server"
mark left "$(blanketctl status self vbd/51712 2>&1)"
