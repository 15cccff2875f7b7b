# SPDX-License-Identifier: MIT
# What the jobs share. Sourced by /init, in busybox's sh; $me and $job are its.
: "${me:?}"

# What every Linux is told. For the emulator's sake: a check of all page tables (rodata), tests of ciphers, tracers'
# events, certificates and serial ports take up to a second each, and an L1 has no CMOS clock.
linux="console=hvc0 mitigations=off quiet rodata=off cryptomgr.notests"
linux="$linux initcall_blacklist=crypto_kdf108_init,init_blk_tracer,init_kprobe_trace,serial8250_init"
linux="$linux initcall_blacklist=load_system_certificate_list,cmos_init"
# A PV guest, too: with fsgsbase each change of context reads an MSR, which Xen emulates; without cx16 (machine.py) each
# allocation clears the interrupt flag, which Xen emulates, but not in a debug mode (slub_debug). And without the flag
# of a TSC (clearcpuid) it doesn't measure that against the PIT, which an L1 hasn't: 100,000 reads of its port, each
# an exit to L0, took 8 s.
linux_pv="$linux nofsgsbase clearcpuid=4 slub_debug=F"

# mark WORD [TEXT...]: a line for the host. It judges by these lines alone.
mark() {
  word=$1
  shift
  echo "BLANKET-TEST $me $word $*"
}

now() {
  read -r up _ </proc/uptime
  echo "$up"
}

since() {
  echo "$1 $(now)" | awk '{ printf "%.2f", $2 - $1 }'
}

# wait_for SECONDS COMMAND...: until it succeeds, looked at once a second: more often it would take the time
# of those that it waits for. 1: it didn't.
wait_for() {
  tries=$1
  shift
  while ! "$@" 2>/dev/null; do
    [ $tries -gt 0 ] || return 1
    sleep 1
    tries=$((tries - 1))
  done
}

# reads DEVICE SIZE COUNT [FLAG]: the seconds that so many reads take, without what was read before.
reads() {
  blockdev --flushbufs "$1"
  start=$(now)
  # shellcheck disable=SC2086 # a flag or none
  dd if="$1" of=/dev/null bs="$2" count="$3" $4 2>/dev/null || mark problem "$1 can't be read" >&2
  since "$start"
}

# speed WHAT DEVICE [WHAT DEVICE]...: of each device seconds for 16 MiB with readahead, as a file system reads, for 8 MiB
# by 128 KiB and for 250 times 4 KiB, the latter two one request at a time. The least of two rounds, in each of which one
# device follows the other, after a short one that isn't measured: an emulator translates code when it first runs, and
# its machine isn't alone on its own. A network block device would cut what it's asked into requests of 128 KiB.
speed() {
  for round in 0 1 2; do
    part=$((round == 0 ? 8 : 1))
    set -- "$@" end
    while [ "$1" != end ]; do
      queue=/sys/block/${2#/dev/}/queue
      echo 4096 >"$queue/read_ahead_kb"
      case $2 in /dev/nbd*) echo 1024 >"$queue/max_sectors_kb" ;; esac
      echo "$(reads "$2" 1M $((16 / part))) $(reads "$2" 128k $((64 / part)) iflag=direct)" \
        "$(reads "$2" 4k $((250 / part)) iflag=direct)" >"/tmp/speed-$1-$round"
      set -- "$@" "$1" "$2"
      shift 2
    done
    shift
  done
  while [ $# -gt 0 ]; do
    mark "speed-$1" "$(cat "/tmp/speed-$1"-[12] | awk '
      NR == 1 { s = $1; l = $2; k = $3 }
      { s = $1 < s ? $1 : s; l = $2 < l ? $2 : l; k = $3 < k ? $3 : k }
      END { print s " s " l " s " k " s" }')"
    shift 2
  done
}

modules_load() {
  for module in /modules/*.ko; do
    insmod "$module" 2>/dev/null || mark problem "no module $module"
  done
}

# toolstack_start: Xen's user land in a dom0.
toolstack_start() {
  modules_load
  mount -t xenfs xenfs /proc/xen
  mkdir -p /run/xen /run/xenstored /var/lib/xenstored /var/log/xen/console
  xenstored --pid-file=/run/xenstored.pid
  xen-init-dom0 >/dev/null
  xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xenconsoled.pid
  mark toolstack "$(xenstore-read /local/domain/0/name)," \
    "xen $(cd /sys/hypervisor/version && cat major minor extra | awk '
      { printf "%s%s", NR == 2 ? "." : "", $0 }'), capabilities $(cat /proc/xen/capabilities)"
}

# config_common NAME TYPE MEBIBYTES: the first lines of a domain's configuration.
config_common() {
  cat <<EOF
name = "$1"
type = "$2"
memory = $3
vcpus = 1
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
tsc_mode = "native"
EOF
}

# config_l1 NAME XEN JOB [XEN-ARGUMENTS]: an L1 Xen with its dom0, as a PVH domain. xl's slot for the
# PV shim starts an ELF file by its PVH entry with two modules, which is what a Xen with a dom0 wants;
# without "pv-shim" on its command line it's an ordinary Xen. Its idle is a plain HLT (cpuidle): that of ACPI
# reads a timer twice, each an exit. Its dom0 has little memory: half of a PV Linux's start are the tables of
# its pages; of that it needs nothing for DMA (swiotlb, 64 MiB otherwise).
config_l1() {
  config_common "$1" pvh 1024
  cat <<EOF
cpus = "1"
pvshim = 1
pvshim_path = "/images/xen-$2"
pvshim_cmdline = "console=pv spec-ctrl=no cpuidle=0 dom0_mem=384M,max:384M dom0_max_vcpus=1 $4"
kernel = "/images/vmlinux"
ramdisk = "/images/l1.img"
cmdline = "$linux_pv swiotlb=2048 me=$1 job=$3"
EOF
}

# config_guest NAME TYPE MEBIBYTES IMAGE JOB: a guest without guests.
config_guest() {
  config_common "$1" "$2" "$3"
  case $2 in pv) told=$linux_pv ;; *) told=$linux ;; esac
  cat <<EOF
kernel = "/images/vmlinux"
ramdisk = "/images/$4.img"
cmdline = "$told me=$1 job=$5"
EOF
}

# config_leaf NAME JOB: a PV guest with nothing but busybox.
config_leaf() {
  config_guest "$1" pv 128 leaf "$2"
}

# console_more: what a domain has said since the last time, from descriptor 3. In the shell itself, since a program once
# a second would take a part of the CPU that the domain runs on.
console_more() {
  while IFS= read -r line; do
    echo "$begun$line"
    begun=
  done <&3
  begun=$begun$line
}

# domain_wait NAME SECONDS: show a domain's console until it's gone; how long that took, in $seconds.
domain_wait() {
  path=/local/domain/$(xl domid "$1" || echo none)
  log=/var/log/xen/console/guest-$1.log
  touch "$log"
  exec 3<"$log"
  begun='' seconds=0
  # Nor by xl, which would take a good part of that CPU once a second.
  while xenstore-exists "$path"; do
    console_more
    if [ $seconds -ge "$2" ]; then
      mark problem "$1 is still there after $2 s"
      xl destroy "$1"
    fi
    sleep 1
    seconds=$((seconds + 1))
  done
  console_more
  exec 3<&-
}

# domain_run NAME SECONDS: create the domain of /tmp/NAME.cfg, show its console, wait until it's gone.
domain_run() {
  if ! xl create -q "/tmp/$1.cfg"; then
    mark problem "xl create $1 failed"
    tail -n 20 /var/log/xen/*.log
    return 1
  fi
  mark created "$1"
  domain_wait "$1" "$2"
  mark gone "$1"
}
