# SPDX-License-Identifier: MIT
"""
tools/linux-module for the guests' kernel: what user space of an unprivileged domain reaches L1 Xen by.
"""

import json
import shutil
import subprocess

from . import cache, hypervisor
from .report import Broken

SOURCE = hypervisor.SOURCE / "tools" / "linux-module"
INCLUDE = hypervisor.SOURCE / "include"


def build(fetched):
    """The module, a cache entry's file. Raises Broken with make's words if it doesn't build."""
    key = cache.key_of(fetched.name, SOURCE, INCLUDE)
    entry = cache.entry("module", key, lambda target: _build(fetched, target),
                        "building the module for the guests' kernel")
    return entry / "blanket_xen.ko"


def _build(fetched, target):
    kernel = json.loads((fetched / "manifest.json").read_text())["kernel"]
    headers = fetched / "root" / "usr" / "src" / f"linux-headers-{kernel}"
    common = headers.with_name(f"linux-headers-{kernel.rsplit('-', 1)[0]}-common")
    for path in SOURCE.iterdir():
        shutil.copy(path, target)
    # The headers aren't installed: their own makefile names places that aren't there.
    done = subprocess.run(
        ["nice", "make", "-C", common, f"O={headers}", f"M={target}", "ARCH=x86", "CC=gcc",
         f"KERNELRELEASE={kernel}", f"BLANKET_INCLUDE={INCLUDE}", "modules"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Broken(f"the module: {done.stdout.strip()[-400:]}")
