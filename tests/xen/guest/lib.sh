# SPDX-License-Identifier: MIT
# What the jobs share. Sourced by /init, in busybox's sh; $me and $job are its.
: "${me:?}"

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

# speed WHAT DEVICE: seconds for 16 MiB with readahead, as a file system reads, for 8 MiB by 128 KiB and for
# 250 times 4 KiB, the latter two one request at a time. All of it runs once before, unmeasured: an emulator
# translates code when it first runs.
speed() {
  echo 1024 >"/sys/block/${2#/dev/}/queue/read_ahead_kb"
  dd if="$2" of=/dev/null bs=1M count=8 2>/dev/null
  dd if="$2" of=/dev/null bs=4k count=50 iflag=direct 2>/dev/null
  blockdev --flushbufs "$2"
  start=$(now)
  dd if="$2" of=/dev/null bs=1M count=16 2>/dev/null || mark problem "$1: $2 can't be read"
  stream=$(since "$start")
  start=$(now)
  dd if="$2" of=/dev/null bs=128k count=64 iflag=direct 2>/dev/null || mark problem "$1: $2 can't be read"
  large=$(since "$start")
  start=$(now)
  dd if="$2" of=/dev/null bs=4k count=250 iflag=direct 2>/dev/null || mark problem "$1: $2 can't be read"
  mark "speed-$1" "$stream s $large s $(since "$start") s"
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
    "xen $(xl info xen_version), capabilities $(cat /proc/xen/capabilities)"
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
# without "pv-shim" on its command line it's an ordinary Xen.
config_l1() {
  config_common "$1" pvh 1536
  cat <<EOF
cpus = "1"
pvshim = 1
pvshim_path = "/images/xen-$2"
pvshim_cmdline = "console=pv spec-ctrl=no dom0_mem=768M dom0_max_vcpus=1 $4"
kernel = "/images/vmlinux"
ramdisk = "/images/l1.img"
cmdline = "console=hvc0 mitigations=off quiet initcall_blacklist=cmos_init me=$1 job=$3"
EOF
}

# config_leaf NAME JOB: a PV guest without guests.
config_leaf() {
  config_common "$1" pv 192
  cat <<EOF
kernel = "/images/vmlinux"
ramdisk = "/images/leaf.img"
cmdline = "console=hvc0 mitigations=off quiet me=$1 job=$2"
EOF
}

# domain_run NAME SECONDS: create the domain of /tmp/NAME.cfg, show its console, wait until it's gone.
domain_run() {
  log=/var/log/xen/console/guest-$1.log
  if ! xl create -q "/tmp/$1.cfg"; then
    mark problem "xl create $1 failed"
    tail -n 20 /var/log/xen/*.log
    return 1
  fi
  mark created "$1"
  touch "$log"
  tail -n +1 -f "$log" &
  shown=$!
  seconds=0
  while xl domid "$1" >/dev/null 2>&1; do
    if [ $seconds -ge "$2" ]; then
      mark problem "$1 is still there after $2 s"
      xl destroy "$1"
    fi
    sleep 1
    seconds=$((seconds + 1))
  done
  # busybox's tail looks once a second.
  sleep 1
  kill $shown
  mark gone "$1"
}
