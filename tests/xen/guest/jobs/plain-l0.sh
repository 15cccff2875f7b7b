# SPDX-License-Identifier: MIT
# L0's dom0: three L1 Xens in turn, each with a disk of L0's that it has no use for.
toolstack_start
mark disk "$(cat /sys/block/vda/size) sectors"
mark discovery "$(blanket-discover)"
mark wrong-magic "$(blanket-discover --wrong-magic)"
config_l1 stock stock plain-l1 >/tmp/stock.cfg
config_l1 blanket blanket plain-l1 >/tmp/blanket.cfg
config_l1 off blanket plain-l1 blanket=0 >/tmp/off.cfg
for l1 in stock blanket off; do
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]' >>/tmp/$l1.cfg
  domain_run $l1 300
done
