# SPDX-License-Identifier: MIT
"""
The guests' initramfs images, as plain cpio archives (inflating them would cost time under TCG).

They're written here and not by cpio(1) from a staging folder: device nodes then need no root, and
an image depends on nothing but its inputs.
"""

import json
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
from pathlib import Path

from . import cache, packages
from .report import Broken

GUEST = Path(__file__).resolve().parent.parent / "guest"
XEN_LIB = f"usr/lib/xen-{packages.XEN}"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")

TOOLS = ("xl", "xenstored", "xenconsoled", "xen-init-dom0", "libxl-save-helper")
PROGRAMS = ("usr/bin/xenstore-*", "sbin/e2fsck", "sbin/mke2fs")

# In the order in which they can be loaded. The leaf's and a dom0's are separate.
LEAF_MODULES = ("xen-blkfront", "crc32c_generic", "crc16", "mbcache", "jbd2", "ext4")
DOM0_MODULES = ("xen-privcmd", "xen-evtchn", "xenfs", "xen-gntdev", "xen-gntalloc", "loop",
                "xen-blkback", "xen-blkfront", "virtio_ring", "virtio", "virtio_pci_modern_dev",
                "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")


class Archive:
    """A cpio archive (newc) under construction."""

    def __init__(self):
        self.entries = {}

    def folder(self, path):
        """Add a folder and those above it."""
        for parent in [*reversed(Path(path).parents), Path(path)]:
            if str(parent) != ".":
                self.entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b"", (0, 0)))

    def file(self, path, data, mode=0o644):
        """Add a file from bytes or from a path on this machine."""
        self.folder(Path(path).parent)
        data = data if isinstance(data, bytes) else Path(data).read_bytes()
        self.entries[path] = (stat.S_IFREG | mode, data, (0, 0))

    def link(self, path, target):
        """Add a symbolic link."""
        self.folder(Path(path).parent)
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def device(self, path, major, minor):
        """Add a character device."""
        self.folder(Path(path).parent)
        self.entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def write(self, target):
        """Write the archive to a file."""
        with open(target, "wb") as out:
            for number, (path, entry) in enumerate(sorted(self.entries.items()), 1):
                self._write_entry(out, number, path, entry)
            self._write_entry(out, 0, "TRAILER!!!", (0, b"", (0, 0)))

    @staticmethod
    def _write_entry(out, number, path, entry):
        mode, data, device = entry
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))


def build(fetched, hypervisors):
    """
    Build all images. hypervisors maps a variant's name to its xen/xen file.

    Returns the cache entry: vmlinux, xen (L0's), l0.img and l1.img in it, and leaf.img, which both have.
    """
    inputs = [cache.key_of((fetched / "manifest.json")), GUEST, Path(__file__)]
    inputs += [part for name, path in sorted(hypervisors.items()) for part in (name, path)]
    return cache.entry("images", cache.key_of(*inputs),
                       lambda target: _build(fetched, hypervisors, target), "building the images")


def _build(fetched, hypervisors, target):
    root = fetched / "root"
    kernel = json.loads((fetched / "manifest.json").read_text())["kernel"]
    modules = root / "lib" / "modules" / kernel / "kernel"
    (target / "vmlinux").write_bytes(_vmlinux(root / "boot" / f"vmlinuz-{kernel}"))
    xen = root / "boot" / f"xen-{packages.XEN}-amd64.gz"
    with open(target / "xen", "wb") as out:
        subprocess.run(["gzip", "-dc", xen], stdout=out, check=True)
    programs = _compile(root, target / "programs")

    leaf = _base(root)
    _add_modules(leaf, modules, LEAF_MODULES)
    leaf.write(target / "leaf.img")

    l1 = _dom0(root, modules, programs)
    l1.file("images/vmlinux", target / "vmlinux")
    l1.file("images/leaf.img", target / "leaf.img")
    l1.write(target / "l1.img")

    l0 = _dom0(root, modules, programs)
    for name in ("vmlinux", "leaf.img"):
        l0.file(f"images/{name}", target / name)
    for name, path in hypervisors.items():
        l0.file(f"images/xen-{name}", path)
    l0.write(target / "l0.img")


def _vmlinux(vmlinuz):
    """The uncompressed kernel in a bzImage: three Xens would each unpack it under TCG otherwise."""
    data = vmlinuz.read_bytes()
    sectors = data[0x1f1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (sectors + 1) * 512 + offset
    try:
        return _without_zeros(lzma.LZMADecompressor().decompress(data[start:start + length]))
    except lzma.LZMAError as error:
        raise Broken(f"{vmlinuz.name} isn't compressed with xz: {error}") from error


def _without_zeros(elf):
    """An ELF file without the zeros at its end (a third of a kernel), which whoever loads it makes itself."""
    table, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    places = [table + number * size for number in range(count)]
    loads = [at for at in places if struct.unpack_from("<I", elf, at)[0] == 1]  # PT_LOAD
    last = max(loads, key=lambda at: struct.unpack_from("<Q", elf, at + 8))
    offset, length = struct.unpack_from("<Q", elf, last + 8)[0], struct.unpack_from("<Q", elf, last + 32)[0]
    segment = elf[offset:offset + length].rstrip(b"\0")
    head = bytearray(elf[:offset])
    struct.pack_into("<Q", head, last + 32, len(segment))
    struct.pack_into("<Q", head, 40, 0)  # section headers, which are behind the segments
    struct.pack_into("<HH", head, 60, 0, 0)
    return bytes(head) + segment


def _compile(root, target):
    """Compile the guests' own programs against the distribution's Xen libraries."""
    target.mkdir()
    library = root / LIBRARIES[0]
    for source in sorted(GUEST.glob("*.c")):
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11",
                   "-I", GUEST.parent.parent.parent / "include", "-isystem", root / "usr/include",
                   "-o", target / source.stem, source, f"-L{library}",
                   f"-Wl,-rpath-link,{library}", "-lxencall"]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Broken(f"compiling {source.name}: {done.stderr.strip()[:300]}")
    return sorted(target.iterdir())


def _base(root):
    """A system of busybox and the bed's own scripts."""
    archive = Archive()
    for path in ("bin", "sbin", "usr/bin", "usr/sbin", "proc", "sys", "dev", "run", "tmp", "var",
                 "modules", "images"):
        archive.folder(path)
    archive.link("var/run", "../run")
    archive.link("var/lock", "../run")
    busybox = root / "bin" / "busybox"
    archive.file("bin/busybox", busybox, 0o755)
    listing = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    for applet in listing.stdout.split():
        if applet != "busybox":
            archive.link(f"bin/{applet}", "busybox")
    archive.file("init", GUEST / "init", 0o755)
    for script in [GUEST / "lib.sh", *sorted((GUEST / "jobs").glob("*.sh"))]:
        archive.file(f"bed/{script.name}", script)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    return archive


def _dom0(root, modules, programs):
    """A system with Xen's user land."""
    archive = _base(root)
    found = [root / XEN_LIB / "bin" / tool for tool in TOOLS]
    # Links among them lead to the distribution's wrapper script, which isn't needed here.
    found += [path for pattern in PROGRAMS for path in sorted(root.glob(pattern))
              if not path.is_symlink()]
    # A library loads this one by name at run time (pthread_cancel in libxenstore's reader thread).
    libraries = {"libgcc_s.so.1"}
    for path in found:
        archive.file(f"usr/bin/{path.name}", path.resolve(), 0o755)
        libraries |= _libraries_of(root, path)
    # libxl runs these two by an absolute path.
    archive.link(f"{XEN_LIB}/bin", "/usr/bin")
    for path in programs:
        archive.file(f"usr/bin/{path.name}", path, 0o755)
        libraries |= _libraries_of(root, path)
    for name in sorted(libraries):
        archive.file(f"lib/{name}", _library(root, name), 0o755)
    archive.file("lib64/ld-linux-x86-64.so.2", _library(root, "ld-linux-x86-64.so.2"), 0o755)
    archive.file("etc/xen/xl.conf", b'autoballoon="off"\n')
    archive.file("etc/xen/scripts/block", GUEST / "block", 0o755)
    archive.folder("var/lib/xen")
    archive.folder("var/log/xen")
    _add_modules(archive, modules, DOM0_MODULES)
    return archive


def user(fetched, programs, modules):
    """A system for a guest without a dom0's tools: programs, modules, and (not loaded) blkfront."""
    root = fetched / "root"
    kernel = json.loads((fetched / "manifest.json").read_text())["kernel"]
    folder = root / "lib" / "modules" / kernel / "kernel"
    archive = _base(root)
    for program in programs:
        add_program(archive, root, program)
    _add_modules(archive, folder, modules)
    archive.file("stock/xen-blkfront.ko", next(folder.rglob("xen-blkfront.ko")))
    return archive


def add_program(archive, root, program):
    """Add a program, which takes its libraries from the fetched packages."""
    archive.file(f"usr/bin/{program.name}", program, 0o755)
    for name in sorted(_libraries_of(root, program)):
        archive.file(f"lib/{name}", _library(root, name), 0o755)
    archive.file("lib64/ld-linux-x86-64.so.2", _library(root, "ld-linux-x86-64.so.2"), 0o755)


def into_l1(images, target, archive):
    """Write target/l1.img: that of images, with what is in the archive. The rest of target is as in images."""
    archive.write(target / "extra.img")
    # The kernel unpacks one archive after the other: a later file replaces an earlier one.
    join(target / "l1.img", images / "l1.img", target / "extra.img")
    (target / "extra.img").unlink()
    for name in ("xen", "vmlinux", "l0.img"):
        os.link(images / name, target / name)


def for_boot(images, target):
    """Write L0's image with L1's in it to target."""
    outer = Archive()
    outer.file("images/l1.img", images / "l1.img")
    outer.write(target.with_suffix(".l1"))
    join(target, images / "l0.img", target.with_suffix(".l1"))
    target.with_suffix(".l1").unlink()


def join(target, *parts):
    """Write files to target one after the other."""
    with open(target, "wb") as out:
        for part in parts:
            with open(part, "rb") as source:
                shutil.copyfileobj(source, out)


def with_flask_guest(fetched, images):
    """The images with a guest for L1's dom0 that has a program of the bed's. A folder as images is."""
    key = cache.key_of(images.name, Path(__file__))
    return cache.entry("flask", key, lambda target: _flask_guest(fetched, images, target),
                       "building the guest of an L1 with FLASK")


def _flask_guest(fetched, images, target):
    # The kernel lets processes of other domains than dom0 issue hypercalls by its parameter "unrestricted" only.
    user(fetched, [images / "programs" / "blanket-flask"], ("xen-privcmd",)).write(target / "flask.img")
    extra = Archive()
    extra.file("images/flask.img", target / "flask.img")
    into_l1(images, target, extra)


def _library(root, name):
    for folder in LIBRARIES:
        if (root / folder / name).exists():
            return (root / folder / name).resolve()
    raise Broken(f"library {name} isn't in the fetched packages")


def _libraries_of(root, program):
    """The names of all shared libraries that a program needs, and those that they need."""
    names, queue = set(), [program]
    while queue:
        listing = subprocess.run(["readelf", "-d", queue.pop().resolve()], stdout=subprocess.PIPE,
                                 text=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", listing):
            if name not in names:
                names.add(name)
                queue.append(_library(root, name))
    return names


def _add_modules(archive, modules, names):
    for number, name in enumerate(names):
        found = list(modules.rglob(f"{name}.ko"))
        if not found:
            raise Broken(f"the kernel has no module {name}")
        archive.file(f"modules/{number:02d}-{name}.ko", found[0])
