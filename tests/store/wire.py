# SPDX-License-Identifier: MIT
"""xenstore's wire protocol by hand, and a `blanket store` to speak it to."""
import os
import select
import signal
import socket
import struct
import subprocess
import time

(CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TRANSACTION_START, TRANSACTION_END, INTRODUCE, RELEASE,
 GET_DOMAIN_PATH, WRITE, MKDIR, RM, SET_PERMS, WATCH_EVENT, ERROR, IS_DOMAIN_INTRODUCED, RESUME,
 SET_TARGET) = range(20)
RESET_WATCHES = 21
DIRECTORY_PART = 22
HEADER = struct.Struct('<IIII')
TIMEOUT = 20


def nul(*texts):
    """Each as bytes with a NUL."""
    return b''.join((text.encode() if isinstance(text, str) else text) + b'\0' for text in texts)


class Gone(Exception):
    """The server has closed the connection."""


class Wire:
    """One client."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.buffer = b''
        self.events = []
        self.next_id = 0

    def send(self, kind, body=b'', tx=0, length=None):
        """A request that nobody waits for; its id."""
        self.next_id += 1
        self.raw(HEADER.pack(kind, self.next_id, tx, len(body) if length is None else length) + body)
        return self.next_id

    def raw(self, data):
        self.socket.sendall(data)

    def _fill(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise Gone()
            self.buffer += data

    def message(self):
        """The next message whatever it is: (type, id, tx, body)."""
        self._fill(16)
        kind, ident, tx, size = HEADER.unpack_from(self.buffer)
        assert size <= 4096, 'a message of %u bytes' % size
        self._fill(16 + size)
        body, self.buffer = self.buffer[16:16 + size], self.buffer[16 + size:]
        return kind, ident, tx, body

    def reply(self, ident, tx=0):
        """(type, body) of the reply to a request; events on the way are kept."""
        while True:
            kind, got, got_tx, body = self.message()
            if kind == WATCH_EVENT:
                self.events.append(tuple(body.split(b'\0')[:2]))
                continue
            assert got == ident, 'reply to %u instead of %u' % (got, ident)
            assert got_tx == tx, 'transaction %u instead of %u' % (got_tx, tx)
            return kind, body

    def ask(self, kind, body=b'', tx=0):
        """The reply's body; an error as its name in a str."""
        got, reply = self.reply(self.send(kind, body, tx), tx)
        if got == ERROR:
            assert reply.endswith(b'\0'), 'an error without its NUL'
            return reply[:-1].decode()
        assert got == kind, 'a reply of type %u to %u' % (got, kind)
        return reply

    def begin(self):
        return int(self.ask(TRANSACTION_START, b'\0').rstrip(b'\0'))

    def end(self, tx, commit=True):
        return self.ask(TRANSACTION_END, b'T\0' if commit else b'F\0', tx)

    def event(self):
        """The next event: (path, token)."""
        while not self.events:
            kind, _, _, body = self.message()
            assert kind == WATCH_EVENT, 'a message of type %u that nobody asked for' % kind
            self.events.append(tuple(body.split(b'\0')[:2]))
        return self.events.pop(0)

    def quiet(self):
        """Nothing more has come. What was asked for last has been answered, so that it would have."""
        return not self.events and not self.buffer and not select.select([self.socket], [], [], 0)[0]

    def closed(self):
        """The server has closed it, after what is still to be read."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()


class Server:
    """A `blanket store`, until stopped."""

    def __init__(self, program, where, levels, *options, ready=True):
        self.path = os.path.join(where, 'socket')
        self.log = os.path.join(where, 'log')
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [program, 'store', '--socket', self.path, '--levels', str(levels), *options],
                stdout=subprocess.PIPE, stderr=log, text=True)
        self.line = self.process.stdout.readline() if ready else ''
        if ready and not self.line:
            self.process.wait()
            raise AssertionError('blanket store did not start: ' + self.said())

    def client(self):
        return Wire(self.path)

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return log.read()

    def stop(self, number=signal.SIGTERM):
        """Its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status

    def descriptors(self):
        return len(os.listdir('/proc/%u/fd' % self.process.pid))

    def memory(self):
        """Resident, in KiB."""
        with open('/proc/%u/status' % self.process.pid, encoding='ascii') as status:
            for line in status:
                if line.startswith('VmRSS:'):
                    return int(line.split()[1])
        return 0


def until(condition, what):
    """Wait for something that another process does."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)
