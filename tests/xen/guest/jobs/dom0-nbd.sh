# SPDX-License-Identifier: MIT
# Sourced in L1's dom0: a disk of L0's by nbdkit's plugin and the kernel's nbd, and a PV guest with its file system.
insmod /nbd/nbd.ko
mark mint-nbd "$(blanketctl mint 0 --l0 vbd/51728 2>&1)"

# nbd DEVICE SOCKET ARGUMENTS...: a server and the kernel's client; its pid in $server.
nbd() {
  device=$1
  socket=$2
  shift 2
  # Locked memory (docs/xen-user.md) has its threads' stacks in it.
  (ulimit -s 512 && exec nbdkit -f -U "$socket" "$@") >>/tmp/nbdkit.log 2>&1 &
  server=$!
  wait_for 60 test -S "$socket" || mark problem "nbdkit: $(tail -n 1 /tmp/nbdkit.log)"
  nbd-client -unix "$socket" "$device" >/tmp/client.log 2>&1 ||
    mark problem "nbd-client: $(tail -n 1 /tmp/client.log) $(tail -n 1 /tmp/nbdkit.log)"
}

# count: hypercalls of L1's domains so far.
count() {
  blanketctl --json limits | tr ',{}' '\n\n\n' | awk '/"calls"/ { print $2 }'
}

# plugin KIND: L0's disk is nbd0, with persistent grants or without.
plugin() {
  nbd /dev/nbd0 /tmp/$1.socket /nbd/nbdkit-blanket-plugin.so vbd/51728 timeout=120 "persistent=$(
    [ "$1" = persistent ] && echo true || echo false)"
  mark "size-$1" "$(cat /sys/block/nbd0/size)"
}

plugin_end() {
  nbd-client -d /dev/nbd0 >/dev/null 2>&1
  kill "$server"
  wait "$server"
}

# calls KIND: hypercalls by so many reads.
calls() {
  first=$(count)
  dd if=/dev/nbd0 of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null
  second=$(count)
  dd if=/dev/nbd0 of=/dev/null bs=128k count=64 iflag=direct 2>/dev/null
  mark "calls-$1" "$first $second $(count)"
}

nbd /dev/nbd1 /tmp/memory.socket /nbd/nbdkit-memory-plugin.so size=32M
memory=$server
dd if=/dev/urandom of=/dev/nbd1 bs=1M count=16 2>/dev/null
plugin granted
speed granted /dev/nbd0
calls granted
plugin_end
plugin persistent
speed memory /dev/nbd1 persistent /dev/nbd0
nbd-client -d /dev/nbd1 >/dev/null 2>&1
kill "$memory"
wait "$memory"
calls persistent
{
  config_leaf "l2-$me" leaf-files
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/nbd0"]'
} >"/tmp/l2-$me.cfg"
domain_run "l2-$me" 150
sync
plugin_end
mark left "$(blanketctl status self vbd/51728 2>&1)"
blanketctl revoke 0 vbd/51728
rmmod nbd
