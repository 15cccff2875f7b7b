# SPDX-License-Identifier: MIT
# Sourced in L1's dom0: endpoints that are revoked and devices that go, while they are read from.
mark mint-back "$(blanketctl mint 0 --l0 vbd/51728 2>&1)"

# hold WHAT DEVICE: reads on in the background, and says so.
hold() {
  blanket-disk "$2" hold 600 >"/tmp/hold-$1" 2>&1 &
  holder=$!
  wait_for 130 grep -q holding "/tmp/hold-$1" || mark problem "$1: $(cat "/tmp/hold-$1")"
  mark "holding-$1"
}

# ended WHAT: the reads met an error, and how long that took.
ended() {
  start=$(now)
  wait_for 90 grep -q 'held: ' "/tmp/hold-$1" || {
    mark problem "$1: no error and no end: $(cat "/tmp/hold-$1")"
    kill $holder
  }
  mark "ended-$1" "$(grep -o 'held: [A-Za-z/ ]*' "/tmp/hold-$1") after $(since "$start") s"
  wait_for 40 sh -c "! kill -0 $holder" || mark problem "$1: the process doesn't end: $(cat "/tmp/hold-$1")"
}

gone() {
  ! blanketctl list | grep -q "$1"
}

hold revoke vbd/51712
start=$(now)
blanketctl revoke 0 vbd/51712 || mark problem "revoke failed"
ended revoke
wait_for 60 gone vbd/51712 || mark problem "revoked, and not drained: $(blanketctl list | tr '\n' ' ')"
mark drained "after $(since "$start") s, $(blanketctl limits | tr '\n' ' ')"

mark mint-again "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
mark read-again "$(blanket-disk vbd/51712 read /tmp/disk 2>&1)"
for how in detach force; do
  hold $how vbd/51712
  ended $how
  back() {
    blanket-disk vbd/51712 read /tmp/disk >/tmp/back 2>&1
  }
  if wait_for 100 back; then
    mark "attached-$how" "$(cat /tmp/back)"
  else
    mark problem "$how: not back: $(cat /tmp/back)"
  fi
done
hold back vbd/51728
ended back
blanketctl revoke 0 vbd/51728 >/dev/null 2>&1
blanketctl revoke 0 vbd/51712 >/dev/null 2>&1
wait_for 60 gone vbd/ || mark problem "not drained: $(blanketctl list | tr '\n' ' ')"
mark limits-gone "$(blanketctl --json limits | tr -d '\n')"
