# SPDX-License-Identifier: MIT
# Sourced in L1's dom0: the broker, the administrator's program, and L0's disk in user space.
mark no-broker "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
blanketd >/tmp/blanketd.log 2>&1 &
broker=$!
wait_for 60 grep -q serving /tmp/blanketd.log
mark blanketd "$(cat /tmp/blanketd.log)"
mark mint "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
mark again "$(blanketctl mint 0 --l0 vbd/51712 2>&1)"
mark other "$(blanketctl attach 5 2>&1)"
mark list "$(blanketctl --json list | tr '\n' ' ')"
mark status "$(blanketctl status self vbd/51712 2>&1)"

for kind in persistent granted; do
  mark "read-$kind" "$(blanket-disk vbd/51712 read /tmp/disk $kind 2>&1)"
  mark "sum-$kind" "$(sha1sum </tmp/disk)"
done
head -c 2097152 /dev/urandom >/tmp/new
mark wrote "$(sha1sum </tmp/new)"
mark write "$(blanket-disk vbd/51712 write /tmp/new 2>&1)"
mark reread "$(blanket-disk vbd/51712 read /tmp/disk 2>&1)"
mark read-back "$(head -c 2097152 /tmp/disk | sha1sum)"

# Killed in the middle of it; the next one comes in.
blanket-disk vbd/51712 hold 60 >/tmp/hold.log 2>&1 &
holder=$!
wait_for 60 grep -q holding /tmp/hold.log
kill -9 $holder
wait $holder
mark killed "$(cat /tmp/hold.log) $(blanketctl status self vbd/51712 2>&1)"
mark after-kill "$(blanket-disk vbd/51712 read /tmp/disk 2>&1)"
mark after-kill-sum "$(head -c 2097152 /tmp/disk | sha1sum)"

# The broker dies and comes again, under a disk in use.
blanket-disk vbd/51712 hold 5 >/tmp/hold.log 2>&1 &
holder=$!
wait_for 60 grep -q holding /tmp/hold.log
kill -9 $broker
wait $broker
blanketd >/tmp/blanketd2.log 2>&1 &
broker=$!
wait $holder
mark broker-restarted "$(cat /tmp/hold.log | tr '\n' ' ') $(cat /tmp/blanketd2.log)"
mark after-restart "$(blanket-disk vbd/51712 read /tmp/disk 2>&1)"

mark revoke "$(blanketctl revoke 0 vbd/51712 2>&1)"
mark revoked "$(blanket-disk -t 3 vbd/51712 read /tmp/disk 2>&1)"
sleep 2
mark drained "$(blanketctl list 2>&1)"
mark audit "$(blanketctl audit 2>&1 | tail -n 3 | tr '\n' ' ')"
mark limits "$(blanketctl limits 2>&1)"
rm /tmp/disk /tmp/new
