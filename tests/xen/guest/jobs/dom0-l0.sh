# SPDX-License-Identifier: MIT
# L0's dom0: maps pages of a process in L1's dom0, which is killed meanwhile.
toolstack_start
config_l1 l1 blanket holder-l1 >/tmp/l1.cfg
domain_run l1 900 &
running=$!

# key NAME: waits for what L1 tells; empty if it doesn't.
key() {
  seconds=0
  while [ $seconds -lt 900 ] && kill -0 $running 2>/dev/null; do
    xenstore-read "/local/domain/$(xl domid l1 2>/dev/null)/data/$1" 2>/dev/null && break
    sleep 1
    seconds=$((seconds + 1))
  done
}
reference=$(key hold)
if [ -n "$reference" ]; then
  blanket-mapper "$(xl domid l1)" "$reference" 8 /tmp/go >/tmp/mapper.log 2>&1 &
  mapper=$!
  [ "$(key filled)" = yes ] && touch /tmp/go
  wait $mapper
  mark mapper "$(cat /tmp/mapper.log), status $?"
fi
wait $running
