# SPDX-License-Identifier: MIT
"""
What is kept between runs, outside the source tree.

Every entry is a directory whose name holds a hash of all its inputs, so that an entry is never
stale: other inputs make another entry. An entry counts only once its stamp is there, so that an
interrupted run leaves nothing that a later one would trust.
"""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from .report import progress


def root():
    """The cache directory: BLANKET_CACHE, or blanket/ in the user's own."""
    given = os.environ.get("BLANKET_CACHE")
    if given:
        return Path(given).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "blanket"


def key_of(*inputs):
    """A short hash of strings, bytes and files; of a directory, all its files with their names."""
    digest = hashlib.sha256()
    for entry in inputs:
        if isinstance(entry, Path) and entry.is_dir():
            for path in sorted(p for p in entry.rglob("*") if p.is_file()):
                if "__pycache__" not in path.parts:
                    _feed(digest, str(path.relative_to(entry)).encode())
                    _feed(digest, path.read_bytes())
        elif isinstance(entry, Path):
            _feed(digest, entry.name.encode())
            _feed(digest, entry.read_bytes())
        else:
            _feed(digest, entry if isinstance(entry, bytes) else str(entry).encode())
    return digest.hexdigest()[:16]


def _feed(digest, data):
    digest.update(len(data).to_bytes(8, "little"))
    digest.update(data)


def entry(kind, key, make, what):
    """
    The directory of one cache entry, made by make(directory) if it isn't there yet.

    what is for the progress line. An entry that make() leaves by an exception is removed.
    """
    directory = root() / "xen" / f"{kind}-{key}"
    stamp = directory / ".complete"
    if stamp.exists():
        os.utime(stamp)
        return directory
    progress(what)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        make(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    stamp.touch()
    _drop_old(kind)
    return directory


def _drop_old(kind, keep=3):
    """Keep the entries of a kind that were used last: a build tree takes 250 MB."""
    stamps = sorted((root() / "xen").glob(f"{kind}-*/.complete"), key=lambda s: s.stat().st_mtime)
    for stamp in stamps[:-keep]:
        shutil.rmtree(stamp.parent, ignore_errors=True)


class Lock:
    """One run at a time on one cache: two would build in the same tree."""

    def __init__(self):
        (root() / "xen").mkdir(parents=True, exist_ok=True)
        self.file = open(root() / "xen" / "lock", "w", encoding="ascii")

    def __enter__(self):
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another run that uses the same cache")
            fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *unused):
        self.file.close()
