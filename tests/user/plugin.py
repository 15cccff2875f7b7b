#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The nbdkit plugin, loaded by nbdkit itself, on the provider instead of Xen: plugin.py MODULE NBDKIT.

Speaks NBD by hand, so that flags and order are the test's. Prints what failed; status 0 or 1.
"""

import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SIZE = 8 << 20
READ, WRITE, DISC, FLUSH = range(4)
FUA = 1
HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, MULTI = 1, 2, 4, 8, 256


class Nbd:
    """One connection, to the export without a name."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                time.sleep(0.1)
        assert self.take(18)[:16] == b"NBDMAGICIHAVEOPT"
        self.socket.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, 0))
        self.size, self.flags = struct.unpack(">QH", self.take(10))

    def take(self, size):
        """Exactly so many bytes."""
        parts = b""
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            assert part, "the connection was closed"
            parts += part
        return parts

    def send(self, handle, command, offset=0, data=b"", size=None, flags=0):
        """A request."""
        size = len(data) if size is None else size
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, handle, offset, size) + data)

    def reply(self, sizes):
        """(handle, error, data) of the next reply; sizes says how much data a read's has."""
        magic, error, handle = struct.unpack(">IIQ", self.take(16))
        assert magic == 0x67446698
        return handle, error, self.take(sizes.get(handle, 0)) if error == 0 else b""

    def ask(self, command, offset=0, data=b"", size=None, flags=0):
        """One request, and its reply."""
        self.send(1, command, offset, data, size, flags)
        return self.reply({1: size} if command == READ else {})[1:]


class Server:
    """nbdkit in the foreground, on a socket of its own."""

    def __init__(self, module, nbdkit, directory, image, **environment):
        self.path = directory / "socket"
        self.path.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [nbdkit, "-f", "-v", "-U", self.path, module, image], env={**os.environ, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            sys.stderr.write(self.process.communicate()[1][-2000:])

    def end(self):
        """What it said on its error output."""
        self.process.terminate()
        return self.process.communicate(timeout=60)[1]


def pipelined(nbd, image):
    """Many requests in flight, answered in any order."""
    order = random.Random(1)
    for round_ in range(10):
        sizes, wanted, used, requests = {}, {}, [], []
        for handle in range(60):
            size = 512 * order.randint(1, 100 if handle % 9 else 1500)
            offset = 512 * order.randint(0, (SIZE - size) // 512)
            if any(offset < end and start < offset + size for start, end in used):
                continue
            used.append((offset, offset + size))
            if order.random() < 0.5:
                data = order.randbytes(size)
                image[offset:offset + size] = data
                requests.append((handle, WRITE, offset, data))
            else:
                sizes[handle] = size
                wanted[handle] = bytes(image[offset:offset + size])
                requests.append((handle, READ, offset, b"", size))
        # Replies come while we still send: both at once, or both ends may be full.
        sender = threading.Thread(target=lambda: [nbd.send(*request) for request in requests])
        sender.start()
        for _ in used:
            handle, error, data = nbd.reply(sizes)
            assert error == 0, f"round {round_}: error {error}"
            assert data == wanted.get(handle, b""), f"round {round_}: other data"
        sender.join()


def judge(module, nbdkit, directory):
    """The plugin from its start to its end."""
    path = directory / "disk.img"
    image = bytearray(random.Random(2).randbytes(SIZE))
    path.write_bytes(image)
    with Server(module, nbdkit, directory, path) as server:
        traffic(server, image)
        errors = server.end()
    # One for the write with FUA, one for the flush; every page is back.
    assert "\nflushes 2, pages left 0\n" in errors, errors[-500:]
    assert "doorbells" in errors, errors[-500:]
    assert path.read_bytes() == image, "the file differs"


def memory(server):
    """Locked, unless the test may not, and not all of nbdkit's zeros (192 MiB) with it; 17 threads have 8 MiB each."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    locked, resident = (int(re.search(rf"(?m)^{key}:\s*(\d+) kB$", status)[1]) for key in ("VmLck", "VmRSS"))
    assert locked > 0 or os.geteuid() != 0, status
    assert resident < 180 << 10, status


def traffic(server, image):
    """What clients do. The image follows what they write."""
    nbd = Nbd(server.path)
    memory(server)
    assert nbd.size == SIZE
    wanted = HAS_FLAGS | SEND_FLUSH | SEND_FUA | MULTI
    assert nbd.flags & (wanted | READ_ONLY) == wanted, hex(nbd.flags)
    pipelined(nbd, image)
    assert nbd.ask(READ, SIZE - 512, size=512) == (0, bytes(image[-512:]))
    assert nbd.ask(READ, 100, size=512)[0] == 22, "an offset within a sector"
    assert nbd.ask(READ, SIZE, size=512)[0] == 22, "beyond the disk"
    image[4096:8192] = b"x" * 4096
    assert nbd.ask(WRITE, 4096, b"x" * 4096, flags=FUA) == (0, b"")
    assert nbd.ask(FLUSH)[0] == 0
    second = Nbd(server.path)
    assert second.ask(READ, 4096, size=4096) == (0, b"x" * 4096)
    nbd.send(1, DISC)
    second.send(1, DISC)


def read_only(module, nbdkit, directory):
    """A disk that the backend lets nobody write."""
    path = directory / "disk.img"
    with Server(module, nbdkit, directory, path, TEST_READ_ONLY="1") as server:
        nbd = Nbd(server.path)
        assert nbd.flags & READ_ONLY
        assert nbd.ask(READ, 4096, size=4096) == (0, b"x" * 4096)
        nbd.send(1, DISC)  # nbdkit's end waits for its clients
        server.end()


def refusals(module, nbdkit, directory):
    """What is wrong on the command line is said in front of whoever started it."""
    image = directory / "disk.img"
    for arguments, text in (([], "which endpoint?"), (["/none"], "there is no such file"),
                            ([image, "segments=0"], "segments is from 1 to 256"),
                            ([image, "speed=11"], "there is no parameter \"speed\"")):
        done = subprocess.run([nbdkit, "-U", directory / "none", module, *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode != 0 and text in done.stderr, done.stderr


def main():
    """Run all."""
    module, nbdkit = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        for part in (judge, read_only, refusals):
            part(module, nbdkit, Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
