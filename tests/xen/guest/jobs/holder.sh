# SPDX-License-Identifier: MIT
# Sourced in L1's dom0: processes with pages at an endpoint are killed; the endpoint's peer is lost, and comes back.
# The kernel says which pages it couldn't take back at once, and when it could.
echo 'file drivers/xen/grant-table.c +p' >/proc/dynamic_debug/control
kernel_said() {
  dmesg | grep -c "$1 g.e."
}

# holder_start NUMBER [silent]: a process with so many pages.
holder_start() {
  blanket-hold hold "$@" >/tmp/hold.log 2>&1 &
  holder=$!
  tries=0
  while ! grep -q mapped /tmp/hold.log && kill -0 $holder 2>/dev/null && [ $tries -lt 600 ]; do
    sleep 0.25
    tries=$((tries + 1))
  done
}

holder_kill() {
  kill -9 $holder
  wait $holder
}

# memory_fill: most of the free memory is written over, twice; in files, for which no page table changes.
memory_fill() {
  mkdir /tmp/fill
  mount -t tmpfs -o size=95% fill /tmp/fill
  written=0
  for _ in 1 2; do
    size=$(awk '/^MemAvailable/ { print int($2 / 1024 * 3 / 4) }' /proc/meminfo)
    dd if=/dev/zero of=/tmp/fill/file bs=1M count="$size" 2>/dev/null &&
      written=$((written + $(stat -c %s /tmp/fill/file) / 1048576))
    rm /tmp/fill/file
  done
  umount /tmp/fill
  echo "$written MiB written"
}
mark time "$(blanket-time 2>&1)"
mark mint "$(blanket-hold mint 2>&1)"
holder_start 300
mark hold "$(cat /tmp/hold.log)"
mark held "$(blanket-hold info 2>&1)"
holder_kill
mark killed "$(blanket-hold info 2>&1)"
mark deferred "$(kernel_said deferring)"
mark fill "$(memory_fill 2>&1)"
mark filled "$(blanket-hold info 2>&1)"
mark freed-before "$(kernel_said freeing)"
blanket-hold tell filled yes
mark drained "$(blanket-hold wait 30 2>&1)"
sleep 3
mark freed "$(kernel_said freeing)"

# One that has the kernel say nothing: Xen sees that its channel is bound no more.
holder_start 20 silent
sleep 1
mark silent "$(cat /tmp/hold.log) $(blanket-hold info 2>&1)"
holder_kill
mark silent-drained "$(blanket-hold wait 10 2>&1)"
sleep 3
mark silent-left "$(($(kernel_said deferring) - $(kernel_said freeing)))"

holder_start 4 silent
mark lost "$(blanket-hold lost 2>&1)"
mark lost-drained "$(blanket-hold wait 10 2>&1)"
mark lost-again "$(blanket-hold lost 2>&1)"
holder_kill
mark rebind "$(blanket-hold rebind 2>&1)"
mark rebind-again "$(blanket-hold rebind 2>&1)"
holder_start 4 silent
mark after-rebind "$(cat /tmp/hold.log) $(blanket-hold info 2>&1)"
holder_kill
