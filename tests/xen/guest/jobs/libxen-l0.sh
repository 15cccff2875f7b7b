# SPDX-License-Identifier: MIT
# L0's dom0: a PVH guest whose disk is L0's, and then the same disk for a process in dom0 itself.
toolstack_start
. /bed/libxen.sh

# mapper_device DOMID: a device between dom0 and a domain, without a driver in either kernel.
mapper_device() {
  front=/local/domain/$1/device/blanket/1
  back=/local/domain/0/backend/blanket/$1/1
  xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$1" "$back/state" 1
  xenstore-chmod -r "$back" n0 "r$1"
  xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/state" 1
  xenstore-chmod -r "$front" "n$1" r0
}

# dom0 with itself, and then (as soon as it's there) with the guest, which waits for its end.
mapper_device 0
blanket-mapper back 0 >/tmp/back 2>&1 &
mark front "$(blanket-mapper front 2>&1)"
wait
mark back-l0 "$(cat /tmp/back)"
(
  until domid=$(xl domid user 2>/dev/null); do
    sleep 1
  done
  mapper_device "$domid"
  mark back-user "$(blanket-mapper back "$domid" 2>&1)"
) &
{
  config_guest user pvh 512 user libxen-user
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]'
} >/tmp/user.cfg
domain_run user 300
blockdev --flushbufs /dev/vda
echo 3 >/proc/sys/vm/drop_caches
mark found-user "$(head -c 2097152 /dev/vda | sha1sum)"

mark disk "$(cat /sys/block/vda/size) sectors"
start=$(now)
dd if=/dev/vda of=/tmp/expected bs=128k iflag=direct 2>/dev/null
mark direct-read "in $(since "$start") s, without Xen"
xl block-attach 0 'format=raw,vdev=xvda,access=rw,target=/dev/vda' || mark problem "xl block-attach 0 failed"
tries=0
while [ ! -b /dev/xvda ] && [ $tries -lt 60 ]; do
  sleep 0.25
  tries=$((tries + 1))
done
stock_reads /tmp/stock
cmp /tmp/expected /tmp/stock || mark problem "xen-blkfront reads something else than the disk"
rm -f /tmp/stock
driver_unbind
copies /tmp/expected
blockdev --flushbufs /dev/vda
echo 3 >/proc/sys/vm/drop_caches
mark found-l0 "$(head -c 2097152 /dev/vda | sha1sum)"
