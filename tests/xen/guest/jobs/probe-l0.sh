# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen whose dom0 probes blanket, and the peer that it grants a page to.
toolstack_start
config_l1 blanket blanket probe-l1 >/tmp/blanket.cfg
domain_run blanket 300 &
running=$!
seconds=0
while [ $seconds -lt 250 ] && kill -0 $running 2>/dev/null; do
  domid=$(xl domid blanket 2>/dev/null)
  where=$(xenstore-read "/local/domain/$domid/data/blanket" 2>/dev/null) && break
  sleep 1
  seconds=$((seconds + 1))
done
if [ -n "$where" ]; then
  # shellcheck disable=SC2086 # two words
  mark peer "$(blanket-peer "$domid" $where 2>&1)"
fi
wait $running
