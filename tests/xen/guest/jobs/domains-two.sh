# SPDX-License-Identifier: MIT
# Sourced in L1's dom0: a disk of L0's here, another in a driver domain, which is hostile.
mark mint-dom0 "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
driver_start
mark second-owner "$(blanketctl mint "$domid" --l0 vbd/51712 2>&1)"
mark mint-driver "$(blanketctl mint "$domid" --l0 vbd/51728 2>&1)"
blanket-attack vbd/51712 view 2>&1 | while read -r line; do mark view "$line"; done

# Both read at the same time; the other one tries what it can.
blanket-disk vbd/51712 hold 600 >/tmp/hold.log 2>&1 &
holder=$!
wait_for 130 grep -q holding /tmp/hold.log || mark problem "dom0's disk: $(cat /tmp/hold.log)"
driver_step 1
wait_for 200 driver_says attacked || mark problem "the driver domain doesn't come to its end"
kill -0 $holder || mark problem "dom0's disk failed meanwhile: $(cat /tmp/hold.log)"
kill $holder
wait $holder
blanket-attack vbd/51712 all >/tmp/attack 2>&1
while read -r line; do mark attack "$line"; done </tmp/attack

mark latency-calm "$(blanket-disk vbd/51712 latency 3 2>&1)"
driver_step 2
wait_for 130 driver_says flood-begins || mark problem "the driver domain doesn't flood"
mark latency-flood "$(blanket-disk vbd/51712 latency 3 2>&1)"
wait_for 130 driver_says flooded || mark problem "the flood doesn't end"
mark look
sleep 4

# The driver domain is destroyed in the middle of its I/O.
driver_step 3
wait_for 130 driver_says holding || mark problem "the driver domain doesn't read"
start=$(now)
xl destroy driver
driver_gone() {
  ! xl list | grep -q '^driver\|^(null)' && ! blanketctl list | grep -q vbd/51728
}
if wait_for 60 driver_gone; then
  mark destroyed "gone after $(since "$start") s"
else
  mark destroyed "still there: $(xl list | tail -n +2 | tr '\n' ' ') $(blanketctl list 2>&1 | tr '\n' ' ')"
fi
mark after "$(blanket-disk vbd/51712 latency 2 2>&1)"
mark limits-two "$(blanketctl --json limits | tr -d '\n')"
