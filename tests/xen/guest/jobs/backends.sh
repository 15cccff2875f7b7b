# SPDX-License-Identifier: MIT
# Sourced by jobs of L0's dom0: a second domain that serves a disk, and what L1 says meanwhile.

# console_show NAME: a domain's console, from now on.
console_show() {
  touch "/var/log/xen/console/guest-$1.log"
  tail -n +1 -f "/var/log/xen/console/guest-$1.log" &
}

# says NAME WORD: whether a domain has made this mark.
says() {
  grep -q "BLANKET-TEST $1 $2" "/var/log/xen/console/guest-$1.log"
}

# back_start: the domain `back` with a disk of 16 MiB, which vdev=xvdb of an L1 names as its backend.
back_start() {
  {
    config_guest back pv 384 l1 back
    echo 'cpus = "0"'
  } >/tmp/back.cfg
  xl create -q /tmp/back.cfg || mark problem "the second backend domain isn't created"
  console_show back
  wait_for 90 says back ready || mark problem "the second backend domain isn't ready"
}

# config_l1_disks JOB: an L1 with a disk of each backend.
config_l1_disks() {
  config_l1 l1 blanket "$1"
  cat <<EOC
disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda",
  "format=raw,vdev=xvdb,access=rw,backend=back,backendtype=phy,target=/dev/loop0"]
EOC
}
