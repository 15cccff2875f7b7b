# SPDX-License-Identifier: MIT
"""
User space of an L1's dom0: blanketd, blanketctl, and L0's disk through the PV frontend in a process.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cache, hypervisor, image, machine
from .checks import came_to_its_end, check, expect, only
from .report import Broken, Missing, progress

PROGRAMS = ("tools/xen/blanketd", "tools/xen/blanketctl", "tests/user/blanket-disk", "tests/user/blanket-attack")
INPUTS = ("src", "include", "tools", "tests/user", "meson.build", "meson_options.txt")
PLUGIN = "tools/nbdkit-blanket/nbdkit-blanket-plugin.so"
# This machine's own: the guests' libc is of the same distribution.
NBD_PROGRAMS = ("nbdkit", "nbd-client")
WRITTEN = 2 << 20
FILES = 32 << 20  # of the disk with a file system


def extended(fetched, images):
    """The images with the programs in L1's dom0. A folder as images is."""
    inputs = [hypervisor.SOURCE / name for name in INPUTS]
    key = cache.key_of(images.name, Path(__file__), *inputs)
    return cache.entry("user", key, lambda target: _extend(fetched, images, target),
                       "building the user space of L1's dom0")


def with_nbd(fetched, images):
    """As extended, with nbdkit, its plugin and the kernel's nbd."""
    absent = [program for program in NBD_PROGRAMS if not shutil.which(program)]
    if absent:
        raise Missing(f"programs {' '.join(absent)}")
    return extended(fetched, images)


def file_system(path):
    """Make a disk with a file system with files, and a file `sums` that knows what they hold."""
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory) / "files"
        shutil.copytree(hypervisor.SOURCE / "src", files / "src")
        (files / "random").write_bytes(os.urandom(4 << 20))
        lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(directory)}\n"
                 for file in sorted(files.rglob("*")) if file.is_file()]
        (Path(directory) / "sums").write_text("".join(lines))
        path.write_bytes(b"")
        os.truncate(path, FILES)
        _run("mke2fs", "-q", "-t", "ext4", "-d", directory, str(path))


# An L1 Xen whose dom0 uses what there is. It measures, and so is alone.
DOM0 = machine.Job("dom0-l0", 1200, ("blanket",), with_nbd, True, file_system)


def _output(*command):
    """What a `--dump-config` says of a key, the last argument."""
    done = subprocess.run(command[:-1], stdout=subprocess.PIPE, text=True, check=False)
    found = re.search(rf"(?m)^{command[-1]}=(.+)$", done.stdout)
    if not found:
        raise Broken(f"{' '.join(command[:-1])} says no {command[-1]}")
    return found[1]


def _run(*command):
    if not shutil.which(command[0]):
        raise Missing(f"program {command[0]}")
    done = subprocess.run(["nice", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode:
        raise Broken(f"{command[0]}: {done.stdout.strip()[-300:]}")


def _extend(fetched, images, target):
    build = target / "build"
    _run("meson", "setup", str(build), str(hypervisor.SOURCE), "-Dbuildtype=release")
    _run("ninja", "-C", str(build), *PROGRAMS)
    (target / "programs").mkdir()
    extra = image.Archive()
    for program in PROGRAMS:
        image.add_program(extra, fetched / "root", build / program)
        shutil.copy(build / program, target / "programs")
    if all(shutil.which(program) for program in NBD_PROGRAMS):
        _run("ninja", "-C", str(build), PLUGIN)
        _add_nbd(extra, fetched, build / PLUGIN)
    shutil.rmtree(build)
    image.into_l1(images, target, extra)


def _add_nbd(archive, fetched, plugin):
    kernel = json.loads((fetched / "manifest.json").read_text())["kernel"]
    modules = fetched / "root" / "lib" / "modules" / kernel / "kernel"
    archive.file("nbd/nbd.ko", next(modules.rglob("nbd.ko")))
    archive.file("nbd/nbdkit-blanket-plugin.so", plugin, 0o755)
    memory = Path(_output("nbdkit", "--dump-config", "plugindir")) / "nbdkit-memory-plugin.so"
    archive.file("nbd/nbdkit-memory-plugin.so", memory, 0o755)
    for program in map(shutil.which, NBD_PROGRAMS):
        archive.file(f"usr/bin/{Path(program).name}", Path(program), 0o755)
        listing = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
        for name, path in re.findall(r"(\S+) => (/\S+)", listing):
            # Those that the guests have already, of their own version, stay.
            if name not in ("libc.so.6", "libm.so.6"):
                archive.file(f"lib/{name}", Path(path), 0o755)


@check(job=DOM0)
def user_disk(boot):
    """L1's dom0 reads all of L0's disk in user space through blanket, persistent and not, and writes."""
    sums = {only(boot, "l1", f"sum-{kind}") for kind in ("persistent", "granted")}
    expect(len(sums) == 1, f"two ways to read, two contents: {sums}")
    for kind in ("persistent", "granted"):
        text = only(boot, "l1", f"read-{kind}")
        expect(kind in text and f"{machine.DISK_SECTORS} sectors" in text, f"read: {text}")
        progress(f"L0's disk ({machine.DISK_SECTORS // 2048} MiB) in L1's user space: {text}")
    written = only(boot, "l1", "wrote")
    expect(only(boot, "l1", "read-back") == written, "what was written isn't what is read")
    expect(only(boot, "l0", "found") == written, "L0's disk has other bytes than were written")
    changed = machine.changed_sectors(boot.disk)
    expect(changed and max(changed) < WRITTEN // 512, f"sectors up to {max(changed, default=0)} changed")


@check(job=DOM0)
def user_mint(boot):
    """blanketctl finds a device in L0's store through the broker, and says what is wrong."""
    expect("does blanketd run?" in only(boot, "l1", "no-broker"), "no word about blanketd")
    expect("serving, as domain" in only(boot, "l1", "blanketd"), "blanketd doesn't serve")
    expect("name vbd/51712" in only(boot, "l1", "mint"), only(boot, "l1", "mint"))
    expect("an endpoint of this name" in only(boot, "l1", "again"), only(boot, "l1", "again"))
    text = only(boot, "l1", "list")
    try:
        live = [entry["name"] for entry in json.loads(text) if entry["state"] == "live"]
    except (ValueError, KeyError, TypeError):
        live = None
    expect(live == ["vbd/51712"], f"listed: {text}")
    expect("is no domain that lives" in only(boot, "l1", "other"), only(boot, "l1", "other"))


@check(job=DOM0)
def user_killed(boot):
    """kill -9 of the process that has the disk, in the middle of I/O: the next one comes in."""
    text = only(boot, "l1", "after-kill")
    expect(f"{machine.DISK_SECTORS} sectors" in text, f"after the kill: {text}")
    expect(only(boot, "l1", "after-kill-sum") == only(boot, "l1", "wrote"), "other bytes after the kill")


@check(job=DOM0)
def user_broker_restarts(boot):
    """blanketd is killed and started again under a disk in use: no I/O fails, a new client comes in."""
    text = only(boot, "l1", "broker-restarted")
    expect("held: no error" in text and "serving" in text, text)
    text = only(boot, "l1", "after-restart")
    expect(f"{machine.DISK_SECTORS} sectors" in text, f"after the restart: {text}")


@check(job=DOM0)
def user_revoked(boot):
    """A revoked endpoint serves nobody, drains, and the audit has the reason."""
    expect("not connected" in only(boot, "l1", "revoked"), only(boot, "l1", "revoked"))
    expect("vbd/51712" not in only(boot, "l1", "drained"), only(boot, "l1", "drained"))
    expect(re.search(r"reason \w+", only(boot, "l1", "audit")), only(boot, "l1", "audit"))
    came_to_its_end(boot)


def speeds(boot, who, what):
    """Seconds for 16 MiB with readahead; one request at a time: 8 MiB by 128 KiB, and 250 times 4 KiB."""
    text = only(boot, who, f"speed-{what}")
    found = re.fullmatch(r"(\d+\.\d+) s (\d+\.\d+) s (\d+\.\d+) s", text)
    expect(found and all(float(part) > 0 for part in found.groups()), f"speed-{what}: {text}")
    return [float(part) for part in found.groups()]


def calls(boot, kind):
    """Hypercalls into L1 Xen for each of 100 reads of 4 KiB, and for each of 8 MiB by 128 KiB."""
    text = only(boot, "l1", f"calls-{kind}")
    found = re.fullmatch(r"(\d+) (\d+) (\d+)", text)
    expect(found, f"calls-{kind}: {text}")
    first, second, third = (int(part) for part in found.groups())
    return (second - first) / 100, (third - second) / 8


@check(job=DOM0)
def l2_on_an_l0_disk(boot):
    """A PV guest of L1 mounts L0's disk by nbdkit, nbd and L1's blkback: reads, writes; L0 sees it, clean."""
    expect(only(boot, "l1", "size-persistent") == str(FILES // machine.SECTOR), "nbd0 has another size")
    sums = re.fullmatch(r"(\d+) of (\d+), *", only(boot, "l2-l1", "sums"))
    expect(sums and sums[1] == sums[2] and int(sums[1]) > 100,
           f"L2 read other bytes than there are: {only(boot, 'l2-l1', 'sums')}")
    with tempfile.TemporaryDirectory() as directory:
        _run("e2fsck", "-fn", str(boot.files))
        _run("debugfs", "-R", f"rdump /new /files {directory}", str(boot.files))
        written = hashlib.sha256((Path(directory) / "new" / "written").read_bytes()).hexdigest()
        expect(only(boot, "l2-l1", "written").split()[0] == written, "L0's disk has other bytes than L2 wrote")
        for file in (Path(directory) / "files").rglob("*"):
            copy = Path(directory) / "new" / "copy" / file.relative_to(Path(directory) / "files")
            expect(file.is_dir() or copy.read_bytes() == file.read_bytes(), f"{copy} is no copy")
    came_to_its_end(boot)


@check(job=DOM0)
def l2_disk_leaves_nothing(boot):
    """After the plugin's end no grant, port or connection of the endpoint is left, nor one that closes."""
    left = only(boot, "l1", "left")
    for what in ("grants 0 ", "ports 0 ", "closing 0 ", "connections 0 ", "requests 0 "):
        expect(what in left, f"left: {left}")


@check(job=DOM0)
def l0_disk_figures(boot):
    """What L1's disk takes beside the same nbdkit on memory, L2's beside it, and a plain guest's blkfront."""
    rows = {what: speeds(boot, who, what) for who, what in (
        ("l1", "persistent"), ("l1", "granted"), ("l1", "memory"), ("l2-l1", "l2"), ("plain", "blkfront"))}
    for what, (stream, large, small) in rows.items():
        progress(f"{what:10} 16 MiB with readahead in {stream:.2f} s; one at a time: 8 MiB by 128 KiB in "
                 f"{large:.2f} s, 4 KiB in {small * 4:.1f} ms")
    for other, one in (("memory", "persistent"), ("persistent", "l2"), ("blkfront", "persistent")):
        shares = [f"{100 * base / own:.0f} %" for base, own in zip(rows[other], rows[one])]
        progress(f"{one} has {shares[0]} of the throughput of {other}; by 128 KiB {shares[1]}, by 4 KiB {shares[2]}")
    for kind in ("persistent", "granted"):
        each, mebibyte = calls(boot, kind)
        progress(f"{kind}: {each:.2f} hypercalls into L1 Xen for a read of 4 KiB, {mebibyte:.1f} for a MiB; "
                 "one of them, the doorbell, is one of L0's, too")
    expect(0.9 < calls(boot, "persistent")[0] < 1.1, "with persistent grants something else than the doorbell crosses")
