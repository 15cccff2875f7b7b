# SPDX-License-Identifier: MIT
"""
Build the L1 hypervisors from the distribution's source: "stock", and "blanket" with the library.

A source tree with the lines in it is a cache entry; make then works in it, so that a change of
blanket's own sources compiles just those.
"""

import json
import shutil
import subprocess
from pathlib import Path

from . import cache
from .report import Broken, Missing, progress

HERE = Path(__file__).resolve().parent.parent
SOURCE = HERE.parent.parent
PORT = SOURCE / "src" / "port" / "xen"

VARIANTS = ("stock", "blanket")
HOST_TOOLS = ("gcc", "make", "flex", "bison", "m4", "checkpolicy", "objdump", "nm", "dpkg-source")


def build(fetched, variant, logs):
    """
    Build one variant. Returns the directory of its source tree; the hypervisor is xen/xen in it.

    Raises Missing without a compiler, Broken with the log's name when the build fails.
    """
    absent = [tool for tool in HOST_TOOLS if not shutil.which(tool)]
    if absent:
        raise Missing(f"programs {' '.join(absent)}")
    version = json.loads((fetched / "manifest.json").read_text())["source"]
    inputs = [version, *_settings(variant), HERE / "l1-xen.config", HERE / "tcg-hlt.table",
              PORT / "insert"]
    if variant == "blanket":
        inputs += [PORT / "lines.table", PORT / "tree"]
    tree = cache.entry(f"l1-{variant}", cache.key_of(*inputs),
                       lambda target: _prepare(fetched / "source", variant, target),
                       f"preparing the source of L1 Xen ({variant}, {version})")
    _make(tree, variant, logs / f"build-{variant}.log")
    return tree


def _prepare(pristine, variant, target):
    """Copy the source, insert the lines and configure."""
    shutil.copytree(pristine, target, symlinks=True, dirs_exist_ok=True)
    _run([PORT / "insert", "--table", HERE / "tcg-hlt.table", target])
    if variant == "blanket":
        _run([PORT / "insert", target])
    config = (HERE / "l1-xen.config").read_text()
    if variant == "blanket":
        config += "CONFIG_BLANKET=y\n"
    _run(_make_command(target, variant, "-s", "defconfig"))
    with open(target / "xen" / ".config", "a", encoding="ascii") as file:
        file.write(config)
    _run(_make_command(target, variant, "-s", "olddefconfig"))
    made = (target / "xen" / ".config").read_text()
    lost = [line for line in config.splitlines() if line.startswith("CONFIG_") and
            line not in made.splitlines()]
    if lost:
        raise Broken(f"Xen's configuration doesn't take {' '.join(lost)}")


def _make(tree, variant, log):
    """Compile, unless what went in is what the last build had."""
    sources = cache.key_of(SOURCE / "src", SOURCE / "include") if variant == "blanket" else "stock"
    stamp = tree / ".built"
    if stamp.exists() and stamp.read_text() == sources:
        return
    again = stamp.exists()
    stamp.unlink(missing_ok=True)
    progress(f"building L1 Xen ({variant}): {'a few files' if again else 'some minutes'}; {log}")
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(_make_command(tree, variant, "-j2"), stdout=file,
                              stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "rror" in line]
        raise Broken(f"building L1 Xen ({variant}): {(errors or ['?'])[0].strip()}; see {log}")
    stamp.write_text(sources)


def _settings(variant):
    # The version says which Xen a dom0 runs on. Date, host and user would make each build another.
    return [f"XEN_VENDORVERSION=-l1-{variant}", "XEN_BUILD_DATE=none", "XEN_BUILD_TIME=none",
            "XEN_BUILD_HOST=test", "XEN_DOMAIN=test", "XEN_WHOAMI=blanket", "PYTHON=python3"]


def _make_command(tree, variant, *arguments):
    return ["nice", "-n", "15", "make", "-C", str(tree / "xen"), *_settings(variant),
            f"BLANKET_SRC={SOURCE}", *arguments]


def _run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise Broken(f"{Path(command[0]).name}: {done.stdout.strip()[-400:]}")
