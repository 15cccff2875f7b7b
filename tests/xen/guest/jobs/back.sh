# SPDX-License-Identifier: MIT
# A backend domain of L0 beside dom0: xen-blkback on a loop device. It does the hotplug script's part itself.
modules_load
dd if=/dev/zero of=/tmp/disk bs=1M count=16 2>/dev/null
printf 'the disk of the second backend' | dd of=/tmp/disk conv=notrunc 2>/dev/null
losetup /dev/loop0 /tmp/disk || mark problem "no loop device"
mark ready
while sleep 2; do
  for domain in $(xenstore-list backend/vbd 2>/dev/null); do
    for device in $(xenstore-list "backend/vbd/$domain" 2>/dev/null); do
      path=backend/vbd/$domain/$device
      if ! xenstore-exists "$path/hotplug-status" && xenstore-exists "$path/state"; then
        xenstore-write "$path/physical-device" "$(stat -c %t:%T /dev/loop0)" \
          "$path/physical-device-path" /dev/loop0 "$path/hotplug-status" connected
        mark serves "$device"
      fi
    done
  done
done
