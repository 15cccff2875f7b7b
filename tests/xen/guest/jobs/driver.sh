# SPDX-License-Identifier: MIT
# Sourced by jobs of L1's dom0: the broker, and a driver domain, which is an unprivileged PV guest.

broker_start() {
  blanketd >/tmp/blanketd.log 2>&1 &
  broker=$!
  wait_for 20 grep -q serving /tmp/blanketd.log || mark problem "blanketd: $(cat /tmp/blanketd.log)"
}

# driver_start: the domain, which waits for its steps; its number in $domid.
driver_start() {
  config_guest driver pv 192 driver driver-guest >/tmp/driver.cfg
  xl create -q /tmp/driver.cfg || mark problem "the driver domain isn't created"
  touch /var/log/xen/console/guest-driver.log
  tail -n +1 -f /var/log/xen/console/guest-driver.log &
  domid=$(xl domid driver)
  wait_for 90 driver_says ready || mark problem "the driver domain isn't ready"
  blanketctl attach "$domid" >/tmp/attach 2>&1 || mark problem "attach: $(cat /tmp/attach)"
}

driver_says() {
  grep -q "BLANKET-TEST driver $1" /var/log/xen/console/guest-driver.log
}

driver_step() {
  xenstore-write "/local/domain/$domid/data/step" "$1"
}
