# SPDX-License-Identifier: MIT
"""
`blanket run --below libxen` on real Xen: in a PVH guest of a stock L0, and in L0's dom0.

No L1 Xen takes part: the levels are in blanket's process, and what they stand on is L0, by its
libraries. The program is built here, from this source, with those libraries linked in.
"""

import os
import shutil
import statistics
import subprocess
from pathlib import Path

from . import cache, hypervisor, image, machine
from .checks import came_to_its_end, check, expect, found, only
from .report import Broken, Missing, progress

LEVELS = (1, 3, 8)
WRITTEN = 2  # MiB
# blanket, and two ends of a device between them.
PROGRAMS = ("tools/blanket", "tests/linux/blanket-mapper")
GUEST_MODULES = ("xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc")
INPUTS = ("src", "include", "tools", "tests/linux", "meson.build", "meson_options.txt")


def extended(fetched, images):
    """The images with the program in L0's dom0, and the PVH guest's own. A folder as images is."""
    inputs = [hypervisor.SOURCE / name for name in INPUTS]
    key = cache.key_of(images.name, Path(__file__), *inputs)
    return cache.entry("libxen", key, lambda target: _extend(fetched, images, target),
                       "building blanket for --below libxen")


JOB = machine.Job("libxen-l0", 900, (), extended)


def _build(target):
    for program in ("meson", "ninja"):
        if not shutil.which(program):
            raise Missing(f"program {program}")
    steps = (["meson", "setup", target, hypervisor.SOURCE, "-Dprefer_static=true",
              "-Dbuildtype=release"],
             ["ninja", "-C", target, *PROGRAMS])
    for step in steps:
        done = subprocess.run(["nice", *step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if done.returncode:
            raise Broken(f"{step[0]}: {done.stdout.strip()[-300:]}")
    return [target / program for program in PROGRAMS]


def _extend(fetched, images, target):
    programs = [Path(shutil.copy(program, target)) for program in _build(target / "build")]
    shutil.rmtree(target / "build")
    root = fetched / "root"
    image.user(fetched, programs, GUEST_MODULES).write(target / "user.img")
    extra = image.Archive()
    extra.file("images/user.img", target / "user.img")
    for program in programs:
        image.add_program(extra, root, program)
    extra.write(target / "extra.img")
    # The kernel unpacks one archive after the other.
    image.join(target / "l0.img", images / "l0.img", target / "extra.img")
    (target / "extra.img").unlink()
    for name in ("xen", "vmlinux"):
        os.link(images / name, target / name)


def seconds(boot, who, word):
    """The seconds that a mark "equal in N s" tells."""
    return float(found(boot, who, word, r"equal in ([0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?) s")[1])


def figures(boot, who):
    """What the copies took, each of which was equal: MiB a second by "stock-read", "read-1"..."""
    size = int(found(boot, who, "disk", r"([0-9]+) sectors")[1]) / 2048
    sizes = {"stock-read": size, "stock-direct": size}
    for level in LEVELS:
        sizes[f"read-{level}"] = size
        sizes[f"write-{level}"] = WRITTEN
    # A copy that took no time that the clock shows took a hundredth of a second at most.
    return {word: mib / max(seconds(boot, who, word), 0.01) for word, mib in sizes.items()}


def copies(boot, who):
    """All levels' copies were equal; what they took, for people."""
    rates = figures(boot, who)
    rows = [f"{level} levels: read {rates[f'read-{level}']:.1f}, written {rates[f'write-{level}']:.1f}"
            for level in LEVELS]
    progress(f"{who}: MiB/s: xen-blkfront: read {rates['stock-read']:.1f}, "
             f"{rates['stock-direct']:.1f} without readahead; {'; '.join(rows)}")


def table(measured):
    """Lines of Markdown from figures() of each domain of each boot: {who: [figures, ...]}."""
    lines = ["| MiB/s | xen-blkfront | without readahead | " +
             " | ".join(f"{level} level{'s' if level > 1 else ''}" for level in LEVELS) + " |",
             "| --- |" + " ---: |" * (2 + len(LEVELS))]
    for who, name in (("user", "PVH guest"), ("l0", "L0's dom0")):
        def median(word, boots=measured[who]):
            return f"{statistics.median(rates[word] for rates in boots):.1f}" if boots else "-"

        lines.append(f"| {name}, read | {median('stock-read')} | {median('stock-direct')} | " +
                     " | ".join(median(f"read-{level}") for level in LEVELS) + " |")
        lines.append(f"| {name}, write | | | " +
                     " | ".join(median(f"write-{level}") for level in LEVELS) + " |")
    return lines


@check(job=JOB)
def libxen_in_a_pvh_guest(boot):
    """In a PVH guest of a stock L0, N levels in a process read and write L0's disk by its blkback."""
    expect("guest type PVH" in only(boot, "user", "init"), "the guest isn't a PVH domain")
    copies(boot, "user")
    only(boot, "user", "off")


@check(job=JOB)
def libxen_in_dom0(boot):
    """The same in L0's dom0, on a device that xl attached to domain 0."""
    expect("guest type PV" in only(boot, "l0", "init"), "L0's dom0 isn't a PV domain")
    copies(boot, "l0")
    came_to_its_end(boot)


@check(job=JOB)
def libxen_writes_the_real_disk(boot):
    """What the guest and dom0 wrote is on L0's disk, as QEMU has it, and nothing else changed."""
    for who in ("user", "l0"):
        expect(only(boot, who, "wrote") == only(boot, "l0", f"found-{who}"),
               f"{who}: L0's disk has other bytes than those that were written")
    changed = machine.changed_sectors(boot.disk)
    expect(changed and max(changed) < 4096, f"sectors up to {max(changed, default=0)} changed")


@check(job=JOB)
def libxen_maps_and_copies(boot):
    """gntdev's maps and copies and a backend's end: dom0 with a PVH guest, and dom0 with itself."""
    for front, back in (("user", "back-user"), ("l0", "back-l0")):
        text = only(boot, front, "front")
        expect(text == "ok", f"{front}'s frontend: {text}")
        text = only(boot, "l0", back)
        expect(text == "ok", f"dom0's backend of {front}'s: {text}")


@check(job=JOB)
def libxen_says_what_is_missing(boot):
    """Without gntalloc, without the right, and without the device, one line names it."""
    expect("/dev/xen/gntalloc: it isn't there" in only(boot, "user", "no-gntalloc"),
           "no word about gntalloc")
    expect("/dev/xen/gntalloc: this process may not open it" in only(boot, "user", "no-right"),
           "no word about the right")
    expect("the toolstack gave this domain no such device" in only(boot, "user", "no-device"),
           "no word about the device")
