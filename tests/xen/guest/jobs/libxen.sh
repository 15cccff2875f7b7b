# SPDX-License-Identifier: MIT
# Sourced by the jobs of `blanket run --below libxen`: copies at 1, 3 and 8 levels.
: "${me:?}"
device=vbd/51712

# stock_reads FILE: the disk by the kernel's driver, into FILE; with its readahead, and one request at
# a time.
stock_reads() {
  start=$(now)
  dd if=/dev/xvda of="$1" bs=128k 2>/dev/null
  took=$(since "$start")
  start=$(now)
  dd if=/dev/xvda of=/tmp/direct bs=128k iflag=direct 2>/dev/null
  direct=$(since "$start")
  cmp "$1" /tmp/direct && mark stock-read "equal in $took s" && mark stock-direct "equal in $direct s"
  rm -f /tmp/direct
}

# The kernel's driver lets go of the device, which it leaves closed.
driver_unbind() {
  echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind || mark problem "the device has no driver"
}

# over_libxen LEVELS ARGUMENTS...: the copy; its seconds, as the program measured them.
over_libxen() {
  levels=$1
  shift
  if ! blanket run --below libxen --levels "$levels" --disk $device "$@" --json >/tmp/json 2>/tmp/said; then
    mark problem "blanket run: $(cat /tmp/said)" >&2 # stdout is the caller's figure
    return 1
  fi
  sed -n 's/.*"seconds": \([0-9.e-]*\).*/\1/p' /tmp/json
}

# copies EXPECTED: the disk read and written at each level; what it holds is the file EXPECTED. Each read sees what was
# written at the level before.
copies() {
  wrote=
  for levels in 1 3 8 again; do
    reads=${levels#again}
    if took=$(over_libxen "${reads:-1}" --read-to /tmp/out) && cmp "$1" /tmp/out; then
      [ -n "$wrote" ] && mark "write-$before" "equal in $wrote s"
      [ -n "$reads" ] && mark "read-$levels" "equal in $took s"
    fi
    rm -f /tmp/out
    [ -n "$reads" ] || break
    dd if=/dev/urandom of=/tmp/in bs=64k count=32 2>/dev/null
    dd if=/tmp/in of="$1" conv=notrunc 2>/dev/null
    wrote=$(over_libxen "$levels" --write-from /tmp/in)
    before=$levels
  done
  mark wrote "$(sha1sum </tmp/in)"
}
