#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people's programs on `blanket store`: the distribution's xenstore clients and Xen's test-xenstore.

clients.py PROGRAM [LEVELS...]: at each number of levels (1, 3 and 8). They are fetched and unpacked, not
changed. The last line is "N passed, N failed, 0 skipped"; 77 if they can't be had.
"""
import os
import re
import subprocess
import sys
import tempfile

import peers
from wire import Server

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
    for line in ('/tool/xenstored = ""', '/local/domain/0/domid = "0"', '/t/b = "3"'):
        assert line in whole.splitlines(), line


def check_permissions(clients):
    clients.done('write', '/p/a/x', '1')
    is_(clients.done('chmod', '/p/a', 'n5', 'r6', 'b7'), '')
    listing = clients.done('ls', '-f', '-p', '/p')
    assert re.search(r'^/p/a = ""\s*\(n5,r6,b7\)$', listing, re.M), listing
    assert re.search(r'^/p/a/x = "1"\s*\(n0\)$', listing, re.M), listing
    clients.done('chmod', '-r', '/p/a', 'w2')
    listing = clients.done('ls', '-f', '-p', '/p')
    is_(len(re.findall(r'\(w2\)', listing)), 2)
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


def run(program, root, levels, check):
    """None, or what went wrong."""
    with tempfile.TemporaryDirectory() as where:
        server = Server(program, where, levels, '--check')
        try:
            check(Clients(root, server))
            status = server.stop()
            assert status == 0, 'blanket store ended with %d' % status
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            return '%s at %u levels: %s %s\n%s' % (check.__name__, levels, type(error).__name__, error,
                                                  server.said()[-2000:])
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
    return None


def main():
    wanted = [int(number) for number in sys.argv[2:]] or [1, 3, 8]
    checks = [check for name, check in globals().items() if name.startswith('check_')]
    try:
        root = peers.fetch()
        peers.check(root)
    except peers.Missing as error:
        print('not here: %s' % error)
        return 77
    failures = 0
    for levels in wanted:
        for check in checks:
            failure = run(os.path.abspath(sys.argv[1]), root, levels, check)
            if failure:
                print('FAIL', failure)
                failures += 1
    print('%u passed, %u failed, 0 skipped' % (len(checks) * len(wanted) - failures, failures))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
