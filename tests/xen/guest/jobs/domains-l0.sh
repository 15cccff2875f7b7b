# SPDX-License-Identifier: MIT
# L0's dom0: a second backend domain, and an L1 Xen with a disk of each, for two domains of its own. Then the disks are
# taken away while they are in use.
toolstack_start
. /bed/backends.sh
back_start
config_l1_disks domains-l1 >/tmp/l1.cfg
domain_run l1 900 &
running=$!
if wait_for 400 says l1 look; then
  domid=$(xl domid l1)
  # What L0's store has of this L1, and of its guests: their names, numbers and paths. libxl makes an empty
  # directory `drivers`.
  xenstore-ls -f "/local/domain/$domid" >/tmp/store
  xenstore-ls -f "/local/domain/0/backend/vbd/$domid" >>/tmp/store
  mark leaks "$(grep -v '/drivers = ""' /tmp/store | grep -ci 'driver\|l2-\|/local/domain/[0-9]*/.*/local/domain/0/local') of $(wc -l </tmp/store)"
fi
wait_for 300 says l1 holding-detach && {
  start=$(now)
  xl block-detach l1 51712
  mark detach "$? after $(since "$start") s"
  xl block-attach l1 'format=raw,vdev=xvda,access=rw,target=/dev/vda'
  mark attach "$?"
}
wait_for 300 says l1 holding-force && {
  start=$(now)
  xl block-detach --force l1 51712
  mark detach-force "$? after $(since "$start") s"
  xl block-attach l1 'format=raw,vdev=xvda,access=rw,target=/dev/vda'
  mark attach-force "$?"
}
wait_for 300 says l1 holding-back && {
  start=$(now)
  xl destroy back
  mark destroyed "$? after $(since "$start") s"
}
wait $running
