# SPDX-License-Identifier: MIT
# L0's dom0: three L1 Xens in turn, each with a disk of L0's that it has no use for; and one whose policy is FLASK's,
# enforced.
toolstack_start
mark disk "$(cat /sys/block/vda/size) sectors"
mark discovery "$(blanket-discover)"
mark wrong-magic "$(blanket-discover --wrong-magic)"

# key NAME: waits for what the L1 in $l1 tells while it runs; empty if it doesn't.
key() {
  while kill -0 $running 2>/dev/null; do
    xenstore-read "/local/domain/$(xl domid $l1 2>/dev/null)/data/$1" 2>/dev/null && break
    sleep 1
  done
}

# peers: what L1's dom0 shares pages with.
peers() {
  where=$(key blanket)
  # shellcheck disable=SC2086 # two words
  [ -n "$where" ] && mark peer "$(blanket-peer "$(xl domid $l1)" $where 2>&1)"
  reference=$(key hold)
  [ -n "$reference" ] || return
  blanket-mapper "$(xl domid $l1)" "$reference" 8 /tmp/go >/tmp/mapper.log 2>&1 &
  mapper=$!
  [ "$(key filled)" = yes ] && touch /tmp/go
  wait $mapper
  mark mapper "$(cat /tmp/mapper.log), status $?"
}

config_l1 stock stock plain-l1 >/tmp/stock.cfg
config_l1 blanket blanket calls-l1 >/tmp/blanket.cfg
config_l1 off blanket plain-l1 blanket=0 >/tmp/off.cfg
for l1 in stock blanket off; do
  echo 'disk = ["format=raw,vdev=xvda,access=rw,target=/dev/vda"]' >>/tmp/$l1.cfg
  domain_run $l1 400 &
  running=$!
  [ $l1 = blanket ] && peers
  wait $running
done
config_l1 flask blanket flask-l1 "xsm=flask flask=enforcing" >/tmp/flask.cfg
domain_run flask 300
