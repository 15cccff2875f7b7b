#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people's programs on `blanket store`: the distribution's xenstore clients and Xen's test-xenstore.

clients.py PROGRAM FAKEXEN [LEVELS...]: at each number of levels (1, 3 and 8), and on the distribution's own
xenstored, so that what is expected here is what it does; FAKEXEN is fakexen.so, which that starts with. They are
fetched and unpacked, not changed. The last line is "N passed, N failed, 0 skipped"; 77 if they can't be had.
"""
import os
import re
import subprocess
import sys
import tempfile

import peers
from wire import (DIRECTORY, DIRECTORY_PART, ERROR, GET_DOMAIN_PATH, GET_PERMS, IS_DOMAIN_INTRODUCED, MKDIR, READ,
                  RM, SET_PERMS, TRANSACTION_END, TRANSACTION_START, UNWATCH, WATCH, WRITE, Server, Wire, nul, until)

TESTS_OF_XEN = 12  # test-xenstore of Xen 4.17 has so many


class Clients:
    """The programs, on one store."""

    def __init__(self, root, server):
        self.root, self.server = root, server
        self.environment = dict(os.environ, XENSTORED_PATH=server.path)

    def start(self, name, *arguments):
        return subprocess.Popen([peers.client(self.root, name), *arguments], env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, name, *arguments):
        """(exit status, output)."""
        process = self.start(name, *arguments)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def done(self, name, *arguments):
        """The output of what must succeed."""
        status, output = self.run(name, *arguments)
        assert status == 0, '%s %s: %d, %s' % (name, arguments, status, output)
        return output

    def fails(self, name, *arguments):
        status, output = self.run(name, *arguments)
        assert status not in (0, None) and status > 0, '%s %s: %r' % (name, arguments, status)
        return output


def is_(got, expected):
    assert got == expected, '%r instead of %r' % (got, expected)


def check_write_and_read(clients):
    is_(clients.done('write', '/a/b/c', 'value'), '')
    is_(clients.done('read', '/a/b/c'), 'value\n')
    is_(clients.done('read', '-p', '/a/b/c'), '/a/b/c: value\n')
    is_(clients.done('write', '/a/one', '1', '/a/two', '2'), '')
    is_(clients.done('read', '/a/one', '/a/two'), '1\n2\n')
    is_(clients.done('write', '/a/empty', ''), '')
    is_(clients.done('read', '/a/empty'), '\n')
    is_(clients.done('write', '/a/binary', r'\x01\xff\\'), '')
    is_(clients.done('read', '/a/binary'), '\\001\\xff\\\\\n')
    long = 'v' * 4000
    clients.done('write', '/a/long', long)
    is_(clients.done('read', '/a/long'), long + '\n')
    assert "couldn't read path /a/nothing" in clients.fails('read', '/a/nothing')
    clients.fails('write', '/a//x', 'v')
    clients.fails('write', '/a/x y', 'v')
    clients.done('write', 'relative', 'r')
    is_(clients.done('read', '/local/domain/0/relative'), 'r\n')


def check_list(clients):
    for name in ('z', 'a', 'm'):
        clients.done('write', '/l/' + name, name)
    is_(sorted(clients.done('list', '/l').split()), ['a', 'm', 'z'])
    is_(sorted(clients.done('list', '-p', '/l').split()), ['/l/a', '/l/m', '/l/z'])
    is_(clients.done('list', '/l/a'), '')
    clients.fails('list', '/nothing')


def check_long_list(clients):
    """More names than a message holds: the library goes on with DIRECTORY_PART."""
    names = ['name-%04u' % i for i in range(1500)]
    for at in range(0, len(names), 300):
        clients.done('write', *[word for name in names[at:at + 300] for word in ('/long/' + name, 'v')])
    is_(sorted(clients.done('list', '/long').split()), names)
    is_(len(clients.done('ls', '/long').splitlines()), 1500)


def check_ls(clients):
    clients.done('write', '/t/a/x', '1', '/t/a/y', '2', '/t/b', '3')
    is_(clients.done('ls', '-f', '/t'), '/t/a = ""\n/t/a/x = "1"\n/t/a/y = "2"\n/t/b = "3"\n')
    is_(clients.done('ls', '/t'), 'a = ""\n x = "1"\n y = "2"\nb = "3"\n')
    whole = clients.done('ls', '-f')
    for line in ('/tool/xenstored = ""', '/t/a/x = "1"', '/t/b = "3"'):
        assert line in whole.splitlines(), line


def check_permissions(clients):
    clients.done('write', '/p/a/x', '1')
    is_(clients.done('chmod', '/p/a', 'n0', 'r6', 'b7'), '')
    listing = clients.done('ls', '-f', '-p', '/p')
    assert re.search(r'^/p/a = ""\s*\(n0,r6,b7\)$', listing, re.M), listing
    assert re.search(r'^/p/a/x = "1"\s*\(n0\)$', listing, re.M), listing
    clients.done('chmod', '-r', '/p/a', 'w0')
    listing = clients.done('ls', '-f', '-p', '/p')
    is_(len(re.findall(r'\(w0\)', listing)), 2)
    clients.fails('chmod', '/nothing', 'n0')
    clients.fails('chmod', '/p/a', 'x0')


def check_exists(clients):
    clients.done('write', '/e/x', '')
    is_(clients.run('exists', '/e/x')[0], 0)
    is_(clients.run('exists', '/e/y')[0], 1)
    is_(clients.run('exists', '/e/x', '/e/y')[0], 1)


def check_rm(clients):
    clients.done('write', '/r/a/b/c', '1', '/r/x', '2')
    is_(clients.done('rm', '/r/a'), '')
    is_(clients.run('exists', '/r/a/b/c')[0], 1)
    is_(clients.done('read', '/r/x'), '2\n')
    is_(clients.done('rm', '-t', '/r/x'), '')  # and the directories that it leaves empty
    is_(clients.run('exists', '/r')[0], 1)
    clients.done('rm', '/r')  # as xenstored has it: what isn't there can be removed from what is
    clients.fails('rm', '/nothing/x')


def check_watch(clients):
    watcher = clients.start('watch', '-n', '4', '/w', '@releaseDomain')
    is_({watcher.stdout.readline(), watcher.stdout.readline()}, {'/w\n', '@releaseDomain\n'})
    clients.done('write', '/w/a/b', '1')
    is_(watcher.stdout.readline(), '/w/a/b\n')
    clients.done('rm', '/w')
    is_(watcher.stdout.readline(), '/w\n')
    is_(watcher.wait(timeout=60), 0)
    watcher.stdout.close()


def check_transactions_of_many(clients):
    """Each write of xenstore-write is a transaction that is done again after EAGAIN: none is lost."""
    for round_ in range(3):
        writers = [clients.start('write', '/many/%u' % i, '%u' % round_, '/many/last', '%u' % i)
                   for i in range(20)]
        for writer in writers:
            output, _ = writer.communicate(timeout=60)
            is_((writer.returncode, output), (0, ''))
        is_(clients.done('read', *['/many/%u' % i for i in range(20)]), ('%u\n' % round_) * 20)


def check_test_xenstore(clients):
    """Xen's own test of a xenstore, with its figures; it ends with 0 and says what fails."""
    done = subprocess.run([peers.program(clients.root, 'test-xenstore')], env=clients.environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    is_(done.returncode, 0)
    is_(len(re.findall(r'^\S.*\s*:\s+\d+ ns$', done.stdout, re.M)), TESTS_OF_XEN)
    assert 'fail' not in done.stdout.lower(), done.stdout


def check_test_xenstore_random(clients):
    done = subprocess.run([peers.program(clients.root, 'test-xenstore'), '-r', '3'], text=True,
                          env=clients.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, check=False)
    is_((done.returncode, 'fail' in done.stdout.lower()), (0, False))


def check_answers(clients):
    """What the wire says, errors among it, where no two answers are right: as xenstored has it."""
    client = Wire(clients.server.path)
    for kind, body, tx, expected in [
            (READ, nul('/nothing'), 0, 'ENOENT'), (READ, nul('/a b'), 0, 'EINVAL'), (READ, nul('/a/'), 0, 'EINVAL'),
            (READ, nul('/tool'), 0, b''), (READ, nul('/tool'), 5, 'ENOENT'), (READ, nul('/' + 'a' * 3072), 0, 'EINVAL'),
            (READ, nul('@releaseDomain'), 0, 'EINVAL'), (WRITE, nul('@releaseDomain') + b'x', 0, 'EINVAL'),
            (DIRECTORY, nul('/nothing'), 0, 'ENOENT'), (DIRECTORY_PART, nul('/nothing', '0'), 0, 'ENOENT'),
            (DIRECTORY_PART, nul('/'), 0, 'EINVAL'), (DIRECTORY, nul('/tool'), 0, nul('xenstored')),
            (WRITE, b'', 0, 'EINVAL'), (WRITE, b'/a', 0, 'EINVAL'), (WRITE, nul('/v') + b'1', 0, b'OK\0'),
            (READ, nul('/v'), 0, b'1'), (GET_PERMS, nul('/v'), 0, nul('n0')), (GET_PERMS, nul('/nothing'), 0, 'ENOENT'),
            (SET_PERMS, nul('/v', 'n0', 'r3', 'w4', 'b5'), 0, b'OK\0'), (SET_PERMS, nul('/v', 'x0'), 0, 'EINVAL'),
            (GET_PERMS, nul('/v'), 0, nul('n0', 'r3', 'w4', 'b5')), (SET_PERMS, nul('/v'), 0, 'EINVAL'),
            (SET_PERMS, nul('/v') + b'n0', 0, 'EINVAL'), (MKDIR, nul('/m/n'), 0, b'OK\0'),
            (MKDIR, nul('/m'), 0, b'OK\0'), (MKDIR, nul('/m n'), 0, 'EINVAL'), (DIRECTORY, nul('/m/n'), 0, b''),
            (RM, nul('/m'), 0, b'OK\0'), (RM, nul('/m'), 0, b'OK\0'), (RM, nul('/m/n/o'), 0, 'ENOENT'),
            (RM, nul('/'), 0, 'EINVAL'), (WATCH, nul('/w', 't'), 0, b'OK\0'), (WATCH, nul('/w', 't'), 0, 'EEXIST'),
            (WATCH, nul('/w'), 0, 'EINVAL'), (WATCH, nul('/w w', 't'), 0, 'EINVAL'),
            (UNWATCH, nul('/w', 'u'), 0, 'ENOENT'),
            (UNWATCH, nul('/w', 't'), 0, b'OK\0'), (UNWATCH, nul('/w', 't'), 0, 'ENOENT'),
            (TRANSACTION_START, b'\0', 7, 'ENOENT'), (TRANSACTION_END, nul('T'), 0, 'ENOENT'),
            (TRANSACTION_END, nul('T'), 7, 'ENOENT'), (GET_DOMAIN_PATH, nul('7'), 0, nul('/local/domain/7')),
            (IS_DOMAIN_INTRODUCED, nul('0'), 0, nul('T')), (IS_DOMAIN_INTRODUCED, nul('7'), 0, nul('F')),
            (20, nul('/'), 0, 'ENOSYS'), (1000, b'x', 0, 'ENOSYS')]:
        got, reply = client.reply(client.send(kind, body, tx), tx)
        reply = reply[:-1].decode() if got == ERROR else reply
        assert reply == expected, 'type %u with %r: %r instead of %r' % (kind, body[:40], reply, expected)


class Xenstored:
    """The distribution's, started without Xen."""

    def __init__(self, root, fakexen, where):
        self.path = os.path.join(where, 'socket')
        self.process = subprocess.Popen(
            [peers.program(root, 'xenstored'), '-N'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, XENSTORED_RUNDIR=where, XENSTORED_ROOTDIR=where, FAKEXEN_DIR=where,
                     LD_PRELOAD=fakexen))
        until(lambda: os.path.exists(self.path) or self.process.poll() is not None, 'the socket of xenstored')

    def said(self):
        return ''

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        return 0


def run(start, where_it_runs, root, check):
    """None, or what went wrong."""
    with tempfile.TemporaryDirectory() as where:
        server = start(where)
        try:
            check(Clients(root, server))
            status = server.stop()
            assert status == 0, 'blanket store ended with %d' % status
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            return '%s %s: %s %s\n%s' % (check.__name__, where_it_runs, type(error).__name__, error,
                                        server.said()[-2000:])
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
    return None


def main():
    program, fakexen = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    wanted = [int(number) for number in sys.argv[3:]] or [1, 3, 8]
    checks = [check for name, check in globals().items() if name.startswith('check_')]
    try:
        root = peers.fetch()
        peers.check(root)
    except peers.Missing as error:
        print('not here: %s' % error)
        return 77
    places = [('at %u levels' % levels,
               lambda where, levels=levels: Server(program, where, levels, '--check')) for levels in wanted]
    places.append(("on the distribution's xenstored", lambda where: Xenstored(root, fakexen, where)))
    failures = 0
    for name, start in places:
        for check in checks:
            failure = run(start, name, root, check)
            if failure:
                print('FAIL', failure)
                failures += 1
    print('%u passed, %u failed, 0 skipped' % (len(checks) * len(places) - failures, failures))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
