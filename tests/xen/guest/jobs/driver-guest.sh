# SPDX-License-Identifier: MIT
# A driver domain of L1: the disk of L0's second backend, in user space of an unprivileged domain.
modules_load
mark ready "$(ls -l /dev/xen/blanket 2>&1 | cut -c1-10)"
step() {
  [ "$(xenstore-read data/step 2>/dev/null)" = "$1" ]
}
wait_for 300 step 1 || mark problem "no step 1"
blanket-attack vbd/51728 view 2>&1 | while read -r line; do mark view "$line"; done
mark read "$(blanket-disk vbd/51728 read /tmp/disk 2>&1)"
mark label "$(head -c 30 /tmp/disk)"
head -c 1048576 /dev/urandom >/tmp/new
mark write "$(blanket-disk vbd/51728 write /tmp/new 2>&1)"
mark reread "$(blanket-disk vbd/51728 read /tmp/disk 2>&1)"
head -c 1048576 /tmp/disk | cmp - /tmp/new && mark equal
mark refused-admin "$(blanketctl list 2>&1)"
blanket-attack vbd/51728 all >/tmp/attack 2>&1
while read -r line; do mark attack "$line"; done </tmp/attack
mark attacked
wait_for 300 step 2 || mark problem "no step 2"
blanket-attack vbd/51728 flood 10 >/tmp/flood 2>&1 &
wait_for 130 grep -q flooding /tmp/flood && mark flood-begins
wait
mark flooded "$(tail -n 1 /tmp/flood)"
wait_for 300 step 3 || mark problem "no step 3"
blanket-disk vbd/51728 hold 600 >/tmp/hold 2>&1 &
wait_for 130 grep -q holding /tmp/hold && mark holding
wait
