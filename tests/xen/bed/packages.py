# SPDX-License-Identifier: MIT
"""
The distribution's own Xen, kernel and user land: fetched with apt, unpacked, never installed.

apt works on private lists, made from this machine's own configuration (so its mirrors, proxies and
keys hold), with source packages added to each entry. Nothing of the machine's own apt changes, and
no right of root is needed.
"""

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import cache
from .report import Broken, Missing, progress

XEN = "4.17"

# Unpacked into the guests' root. The kernel's name has its version: added when it's known.
GUEST_PACKAGES = f"""
xen-hypervisor-{XEN}-amd64 xen-utils-{XEN} xen-utils-common xenstore-utils libxen-dev
busybox-static e2fsprogs libext2fs2 libcom-err2 libblkid1 libss2
libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1
libxenmisc{XEN} libxenstore4 libxentoolcore1 libxentoollog1
libyajl2 libc6 libuuid1 libzstd1 zlib1g liblzma5 libbz2-1.0 libgcc-s1
""".split()

KERNEL_PACKAGE = "linux-image-amd64"

# To be raised when the layout of what fetch() makes changes.
FORMAT = "2"


class Apt:
    """apt with private lists and caches in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        options = {
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": directory / "sources.list.d",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "APT::Sandbox::User": "",
        }
        self.options = [f"-o{name}={value}" for name, value in options.items()]

    def update(self):
        """Write the private source lists and read the archives' indexes."""
        etc = Path("/etc/apt")
        (self.directory / "sources.list.d").mkdir(parents=True, exist_ok=True)
        (self.directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self.directory / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        self._copy_list(etc / "sources.list", self.directory / "sources.list")
        for path in (etc / "sources.list.d").glob("*"):
            if path.suffix in (".list", ".sources"):
                self._copy_list(path, self.directory / "sources.list.d" / path.name)
        # An archive of a third party may have no sources: what matters is whether Xen's are found.
        self.run("apt-get", "-qq", "update", check=False)

    @staticmethod
    def _copy_list(source, target):
        """Copy one source list, with the source packages of each of its binary entries."""
        text = source.read_text() if source.exists() else ""
        if source.suffix == ".sources":
            text = re.sub(r"(?mi)^Types:.*$", "Types: deb deb-src", text)
        else:
            lines = text.splitlines()
            lines += [re.sub(r"^deb\b", "deb-src", line) for line in lines if line[:4] == "deb "]
            text = "\n".join(lines) + "\n"
        target.write_text(text)

    def run(self, program, *arguments, cwd=None, check=True):
        """Run an apt program; its output as text. Raises Broken if it fails and check is set."""
        done = subprocess.run([program, *self.options, *arguments], cwd=cwd, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if check and done.returncode:
            raise Broken(f"{program} {' '.join(arguments)[:60]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def candidate(self, package):
        """The version of a package that apt would install, or None."""
        found = re.search(r"Candidate: (\S+)", self.run("apt-cache", "policy", package))
        return found[1] if found and found[1] != "(none)" else None

    def source_versions(self):
        """The versions of Xen's source package that the indexes name, newest first."""
        listing = self.run("apt-cache", "madison", "--", "xen")
        rows = [[field.strip() for field in line.split("|")] for line in listing.splitlines()]
        rows = [row for row in rows if len(row) == 3 and row[2].endswith("Sources")]
        versions = [row[1] for row in rows if row[1].startswith(XEN + ".")]
        return sorted(versions, key=functools.cmp_to_key(_compare_versions), reverse=True)


def _compare_versions(left, right):
    """Negative, 0 or positive, as the distribution orders versions."""
    for relation, answer in (("lt", -1), ("gt", 1)):
        done = subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False)
        if done.returncode == 0:
            return answer
    return 0


def fetch(refresh):
    """
    Fetch everything. Returns the cache entry: debs/, source/ and manifest.json in it.

    A set that was fetched before is taken as it is, without asking the archive; refresh asks.
    """
    if not shutil.which("apt-get"):
        raise Missing("apt-get (a Debian 12 machine)")
    wanted = cache.key_of(FORMAT, *GUEST_PACKAGES)
    pointer = cache.root() / "xen" / f"packages-{wanted}.json"
    if pointer.exists() and not refresh:
        chosen = json.loads(pointer.read_text())
        directory = cache.root() / "xen" / f"fetched-{_key_of_choice(chosen)}"
        if (directory / ".complete").exists():
            os.utime(directory / ".complete")
            return directory
    progress("reading the package archive's indexes (apt)")
    apt = Apt(cache.root() / "xen" / "apt")
    apt.update()
    chosen = _choose(apt)
    directory = cache.entry("fetched", _key_of_choice(chosen),
                            lambda target: _download(apt, chosen, target),
                            f"fetching {len(chosen['packages'])} packages and Xen's source (apt)")
    pointer.write_text(json.dumps(chosen, indent=1))
    return directory


def _key_of_choice(chosen):
    return cache.key_of(json.dumps(chosen, sort_keys=True))


def _choose(apt):
    """Fix the version of every package."""
    kernel = re.search(r"Depends: (linux-image-\S+)",
                       apt.run("apt-cache", "depends", KERNEL_PACKAGE, check=False))
    kernel = kernel[1] if kernel else KERNEL_PACKAGE
    names = GUEST_PACKAGES + _headers_of(apt, kernel) + [kernel]
    versions = {name: apt.candidate(name) for name in names}
    absent = [name for name, version in versions.items() if not version]
    if absent:
        raise Missing(f"in apt: {' '.join(absent)}")
    sources = apt.source_versions()
    if not sources:
        raise Missing(f"in apt: the source package of Xen {XEN}")
    return {"packages": versions, "sources": sources, "kernel": names[-1][len("linux-image-"):]}


def _headers_of(apt, kernel):
    """What a module for the kernel is compiled with: its headers, and the packages that these need."""
    headers = kernel.replace("linux-image-", "linux-headers-")
    needed = re.findall(r"Depends: (linux-(?:headers|kbuild)-\S+)",
                        apt.run("apt-cache", "depends", headers, check=False))
    return [headers, *needed]


def _download(apt, chosen, target):
    """Fetch and unpack into target."""
    debs = target / "debs"
    debs.mkdir()
    apt.run("apt-get", "-qq", "download", *(f"{n}={v}" for n, v in chosen["packages"].items()),
            cwd=debs)
    (target / "root").mkdir()
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, target / "root"], check=True)
    shutil.rmtree(debs)
    chosen = dict(chosen, source=_download_source(apt, chosen["sources"], target))
    (target / "manifest.json").write_text(json.dumps(chosen, indent=1))


def _download_source(apt, versions, target):
    """Unpack the newest source that the archive really has; returns its version."""
    for version in versions:
        scratch = target / "scratch"
        scratch.mkdir()
        apt.run("apt-get", "-qq", "source", f"xen={version}", cwd=scratch, check=False)
        trees = [path for path in scratch.iterdir() if path.is_dir()]
        if trees:
            trees[0].rename(target / "source")
            shutil.rmtree(scratch)
            return version
        # An index may name a source that the pool doesn't have (seen with security updates).
        progress(f"Xen's source {version} isn't in the archive: trying the next older one")
        shutil.rmtree(scratch)
    raise Missing(f"in apt: the source of Xen {XEN} (indexed, but not in the pool)")
