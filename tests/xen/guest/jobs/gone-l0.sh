# SPDX-License-Identifier: MIT
# L0's dom0: takes disks away from an L1 Xen that uses them.
toolstack_start
. /bed/backends.sh
back_start
config_l1_disks gone-l1 >/tmp/l1.cfg
domain_run l1 560 &
running=$!
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
