# SPDX-License-Identifier: MIT
# A PVH guest of L0 with a disk, and blanket's levels in a process instead of a driver.
. /bed/libxen.sh
: "${me:?} ${device:?}"

# What is missing is said in one line.
insmod /modules/00-xen-privcmd.ko
insmod /modules/01-xen-evtchn.ko
insmod /modules/02-xen-gntdev.ko
mark no-gntalloc "$(blanket run --below libxen --disk $device --read-to /tmp/out 2>&1)"
insmod /modules/03-xen-gntalloc.ko
mark no-device "$(blanket run --below libxen --disk vbd/51728 --read-to /tmp/out 2>&1)"
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>/etc/passwd
mark no-right "$(su nobody -c "blanket run --below libxen --disk $device --read-to /tmp/out" 2>&1)"

# A device whose backend is a process in dom0, once that is there.
tries=0
while said=$(blanket-mapper front 2>&1) || [ $tries -lt 60 ]; do
  case $said in
  *"no such device"*) sleep 1 ;;
  *) break ;;
  esac
  tries=$((tries + 1))
done
mark front "$said"

# First the stock frontend, which leaves the device to be taken over.
insmod /stock/xen-blkfront.ko
tries=0
while [ ! -b /dev/xvda ] && [ $tries -lt 60 ]; do
  sleep 0.25
  tries=$((tries + 1))
done
mark disk "$(cat /sys/block/xvda/size) sectors"
stock_reads /tmp/expected
driver_unbind
copies /tmp/expected
