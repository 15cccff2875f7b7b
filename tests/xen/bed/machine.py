# SPDX-License-Identifier: MIT
"""One boot of the whole stack in QEMU: L0 Xen, its dom0, and what its job starts."""

import os
import re
import selectors
import signal
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import image
from .report import Missing, progress

QEMU = "qemu-system-x86_64"

# EPYC has SVM; each feature that is taken away was seen to break something under QEMU 7.2's TCG:
#   cx16     cmpxchg16b leaves junk in EFLAGS: random oopses of any Linux
#   smap     IRET at CPL 3 faults, so that a PV dom0 crashes
#   rdtscp   reported as another instruction's exit: Xen kills the guest
#   monitor  MWAIT with ECX = 1 faults: L0 Xen panics
#   the rest XSAVE, AVX and what hangs on them: a stray #UD in a guest with two vCPUs
# The family has to be 0x17: with 0xf (-cpu max, qemu64) Xen in Xen writes an MSR that isn't there.
CPU = ("EPYC,+svm,+npt,-cx16,-smap,-rdtscp,-monitor,-xsave,-xsaveopt,-xsavec,-xgetbv1,-avx,-avx2,"
       "-fma,-f16c,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save")
# L0 stays quiet about its guests: it would print a line for each exit of a nested guest. Dom0 is pinned, and
# an L1 to the other CPU (lib.sh): an L1 that moved to a CPU that ran a PV domain was seen to exit with L0's
# own registers for its state, which kills it.
XEN = ("com1=115200,8n1 console=com1 loglvl=warning guest_loglvl=none dom0_mem=640M,max:640M "
       "dom0_max_vcpus=1 dom0_vcpus_pin spec-ctrl=no cpuidle=0")
DOM0 = "console=hvc0 mitigations=off quiet nofsgsbase slub_debug=F rodata=off cryptomgr.notests me=l0"

SECTOR = 512
DISK_SECTORS = 32768

MARK = re.compile(r"BLANKET-TEST (\S+) (\S+) ?(.*)$")
DEAD = re.compile(r"Kernel panic|Panic on CPU|FATAL TRAP|Xen BUG at|Oops:")
SILENCE = 30


@dataclass(frozen=True)
class Job:
    """What a boot runs. Checks that want the same job share one boot."""

    name: str            # of the script that L0's dom0 runs
    seconds: int         # the most that it may take
    variants: tuple      # of the L1 Xens that it runs
    extend: object = None  # of (fetched, images): a folder with other images for L0; or none
    alone: bool = False    # it measures: no other boot at the same time
    files: object = None   # of a path: makes a second disk of L0's there


@dataclass
class Boot:
    """What came of a boot."""

    log: Path
    disk: Path           # L0's, whose sectors say their number
    files: Path          # the second one, if the job has one
    seconds: float = 0.0
    failure: str = ""    # why it ended before its end: "" if it came to it
    marks: list = field(default_factory=list)     # (seconds, who, word, text)

    def texts(self, who, word):
        """The texts of all marks of one kind."""
        return [text for _, by, said, text in self.marks if (by, said) == (who, word)]


def sector(number):
    """What a sector of L0's disk holds before a boot: its number, all over."""
    return number.to_bytes(8, "little") * (SECTOR // 8)


def numbered_disk(path):
    """Make a disk whose sectors say their number."""
    with open(path, "wb") as file:
        for number in range(DISK_SECTORS):
            file.write(sector(number))


def changed_sectors(disk):
    """The numbers of those sectors of L0's disk that a boot changed."""
    data = disk.read_bytes()
    return [n for n in range(DISK_SECTORS) if data[n * SECTOR:(n + 1) * SECTOR] != sector(n)]


def boot(job, images, logs, stopping):
    """Run one job, until its end or (an Event) stopping. Always returns a Boot; raises Missing without QEMU."""
    if not shutil.which(QEMU):
        raise Missing(f"program {QEMU}")
    name = job.name
    result = Boot(log=logs / f"{name}.log", disk=logs / f"{name}.disk", files=logs / f"{name}.files")
    numbered_disk(result.disk)
    if job.files:
        job.files(result.files)
    initrd = images / "l0.img"
    if job.variants:
        initrd = logs / f"{name}.img"
        image.for_boot(images, initrd)
    progress(f"booting {name} (at most {job.seconds} s); serial log: {result.log}")
    started = time.monotonic()
    qemu = subprocess.Popen(_command(job, images, initrd, result), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True)
    try:
        with open(result.log, "w", encoding="utf-8") as log:
            result.failure = _follow(qemu, job, log, result.marks, stopping)
    finally:
        if qemu.poll() is None:
            os.killpg(qemu.pid, signal.SIGKILL)
        qemu.wait()
        qemu.stdout.close()
        if job.variants:
            initrd.unlink()
    result.seconds = time.monotonic() - started
    if not result.failure and not result.texts("l0", "off"):
        result.failure = f"QEMU ended (status {qemu.returncode}) before L0's dom0 had finished"
    progress(f"{name}: {result.failure or 'came to its end'} after {result.seconds:.0f} s")
    return result


def _command(job, images, initrd, boot):
    # A comma ends a module's string for QEMU, so no argument has one.
    dom0 = f"{DOM0} job={job.name}"
    # A run that is killed leaves no QEMU behind.
    return ["setpriv", "--pdeathsig", "KILL", "nice", "-n", "15", QEMU, "-M", "q35,hpet=on", "-cpu", CPU,
            "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2560M",
            "-display", "none", "-vga", "none", "-net", "none", "-no-reboot", "-monitor", "none",
            "-serial", "stdio",
            *_drive("disk", boot.disk), *(_drive("files", boot.files) if job.files else ()),
            "-kernel", str(images / "xen"), "-append", XEN,
            "-initrd", f"{images / 'vmlinux'} {dom0},{initrd}"]


def _drive(name, path):
    return ("-drive", f"if=none,id={name},format=raw,cache=unsafe,file={path}",
            "-device", f"virtio-blk-pci,drive={name}")


def _follow(qemu, job, log, marks, stopping):
    """Copy the serial line into the log until QEMU ends. Returns why it was cut short, or ""."""
    started = said = time.monotonic()
    ready = selectors.DefaultSelector()
    ready.register(qemu.stdout, selectors.EVENT_READ)
    rest = b""
    doomed = None
    while True:
        now = time.monotonic()
        if now - started > job.seconds:
            return f"no end after {job.seconds} s; the last mark: {_last(marks)}"
        if doomed and now - doomed[0] > 3:
            return doomed[1]
        if stopping.is_set():
            return "the run was stopped"
        if now - said > SILENCE:
            said = now
            progress(f"waiting for {job.name}, since {now - started:.0f} s; "
                     f"the last mark: {_last(marks)}")
        if not ready.select(timeout=1):
            continue
        data = os.read(qemu.stdout.fileno(), 65536)
        if not data:
            return doomed[1] if doomed else ""
        *lines, rest = (rest + data).replace(b"\r", b"").split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            log.write(f"{now - started:6.1f} {text}\n")
            found = MARK.search(text)
            if found:
                said = now
                marks.append((now - started, *found.groups()))
                progress(f"{job.name} {now - started:4.0f} s: {' '.join(found.groups())}")
            # The lines after it say why: they're still read, for three seconds.
            elif DEAD.search(text) and not doomed:
                doomed = (now, f"died: {text.strip()}")
        log.flush()


def _last(marks):
    return " ".join(marks[-1][1:]) if marks else "none yet"
