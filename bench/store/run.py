#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The store beside the distribution's C xenstored and oxenstored: the same client, the same kind of socket,
all servers there at the same time and asked in turns.

run.py BUILD [--rounds N] [--markdown FILE]: BUILD has tools/blanket, bench/store/client and fakexen.so.
run.py BUILD --memory: the table of memory alone.
A peer that can't be fetched or started is left out, and said so.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tests', 'store'))
import peers  # noqa: E402 (found through the path above)

ROWS = ['read', 'write', 'directory', 'empty', 'modify', 'watch']
NAMES = {'read': 'read', 'write': 'write', 'directory': 'directory', 'empty': 'empty transaction',
         'modify': 'read-modify-write transaction', 'watch': 'write to watch event'}
LEVELS = [0, 1, 3]
COUNTS = {1: 200, 50: 20}  # clients: how often each does what a row is, each round
NODES = {100: 100, 100000: 90000}  # nodes, with the directories: leaves


class Server:
    """One that listens; `path` is its socket."""

    def __init__(self, name, command, path, where, environment=None):
        self.name, self.path = name, path
        self.log = open(os.path.join(where, name.replace(' ', '-') + '.log'), 'wb')
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, **(environment or {})))

    def socket(self):
        return self.path.replace('PID', str(self.process.pid))

    def wait(self):
        """True once it answers."""
        for _ in range(400):
            if self.process.poll() is not None:
                return False
            if os.path.exists(self.socket()):
                return True
            time.sleep(0.01)
        return False

    def memory(self):
        """Resident, bytes."""
        with open('/proc/%u/status' % self.process.pid, encoding='ascii') as status:
            return int(re.search(r'VmRSS:\s+(\d+)', status.read())[1]) * 1024

    def cpu(self):
        """Time on a processor so far, in ns."""
        with open('/proc/%u/schedstat' % self.process.pid, encoding='ascii') as status:
            return int(status.read().split()[0])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def blanket(build, levels, where):
    path = os.path.join(where, 'blanket%u' % levels)
    return Server('blanket, %u level%s' % (levels, '' if levels == 1 else 's'),
                  [os.path.join(build, 'tools', 'blanket'), 'store', '--socket', path, '--levels',
                   str(levels)], path, where)


def xenstored(build, root, where):
    directory = os.path.join(where, 'xenstored')
    os.mkdir(directory)
    return Server('C xenstored', [peers.program(root, 'xenstored'), '-N'], os.path.join(directory, 'socket'),
                  where, {'XENSTORED_RUNDIR': directory, 'XENSTORED_ROOTDIR': directory,
                          'FAKEXEN_DIR': directory,
                          'LD_PRELOAD': os.path.join(build, 'bench', 'store', 'fakexen.so')})


def oxenstored(build, root, where):
    """Its paths are fixed: it gets a mount namespace of its own, and is reached through that."""
    directory = os.path.join(where, 'oxenstored')
    os.mkdir(directory)
    with open(os.path.join(directory, 'ring'), 'wb') as ring:
        ring.truncate(4096)
    with open(os.path.join(directory, 'port'), 'w', encoding='ascii') as port:
        port.write('1')
    with open(os.path.join(directory, 'conf'), 'w', encoding='ascii') as conf:
        conf.write('xenstored-kva = %s/ring\nxenstored-port = %s/port\npersistent = false\n'
                   'access-log-nb-lines = 0\nxenstored-log-file = /dev/null\n' % (directory, directory))
    script = ('mount -t tmpfs none /run && mount -t tmpfs none /var/log && '
              'mkdir -p /run/xenstored /run/xen /var/log/xen && '
              'LD_PRELOAD=%s exec %s --no-fork --no-access-log --config-file %s/conf' %
              (os.path.join(build, 'bench', 'store', 'fakexen.so'), peers.program(root, 'oxenstored'),
               directory))
    return Server('oxenstored', ['unshare', '-m', 'sh', '-c', script],
                  '/proc/PID/root/run/xenstored/socket', where, {'FAKEXEN_DIR': directory})


def start(build, where):
    """Those that run, ours first."""
    servers = [blanket(build, levels, where) for levels in LEVELS]
    try:
        root = peers.fetch()
        servers.append(xenstored(build, root, where))
        if shutil.which('unshare') and os.geteuid() == 0:
            servers.append(oxenstored(build, root, where))
        else:
            print('left out: oxenstored (it needs a mount namespace: root, and unshare)')
    except peers.Missing as error:
        print('left out: C xenstored and oxenstored: not here: %s' % error)
    running = []
    for server in servers:
        if server.wait():
            running.append(server)
        else:
            server.stop()
            with open(server.log.name, encoding='utf-8', errors='replace') as log:
                print('left out: %s: %s' % (server.name, log.read()[-300:]))
    return running


def client(build, server, *arguments):
    done = subprocess.run([os.path.join(build, 'bench', 'store', 'client'), *map(str, arguments)],
                          env=dict(os.environ, XENSTORED_PATH=server.socket()), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit('the client on %s: %s' % (server.name, done.stderr))
    return done.stdout


def measure(build, servers, clients, leaves, rounds):
    """{(server, row): sorted times in ns}, {(server, row): the server's own time on a processor for each, ns}."""
    times = {(server.name, row): [] for server in servers for row in ROWS}
    spent = {(server.name, row): [] for server in servers for row in ROWS}
    for round_ in range(rounds):
        for row in ROWS:
            # Small slices, each time another order: what else the machine does meets all alike.
            for server in servers[round_ % len(servers):] + servers[:round_ % len(servers)]:
                before = server.cpu()
                line = client(build, server, 'run', clients, leaves, COUNTS[clients], row).split()
                count = clients * (COUNTS[clients] + COUNTS[clients] // 10)
                spent[server.name, row].append((server.cpu() - before) / count)
                times[server.name, row] += map(int, line[1:])
    return ({key: sorted(values) for key, values in times.items()},
            {key: sorted(values)[len(values) // 2] for key, values in spent.items()})


def table(title, servers, times, spent):
    """Lines of Markdown: median / 99th percentile (the server's own time), in microseconds."""
    lines = ['### ' + title, '', '| | ' + ' | '.join(server.name for server in servers) + ' |',
             '| --- |' + ' --- |' * len(servers)]
    for row in ROWS:
        cells = []
        for server in servers:
            values = times[server.name, row]
            cells.append('%.1f / %.0f (%.1f)' % (
                values[len(values) // 2] / 1000, values[len(values) * 99 // 100] / 1000,
                spent[server.name, row] / 1000))
        lines.append('| %s | %s |' % (NAMES[row], ' | '.join(cells)))
    return lines + ['']


def judge(title, servers, times):
    """What the aims say of the medians: ahead of both at level 1, level 3 within 1.2 of level 1."""
    def median(name, row):
        values = times[name, row]
        return values[len(values) // 2]

    bad = []
    for row in ROWS:
        one = median('blanket, 1 level', row)
        for server in servers:
            if not server.name.startswith('blanket') and one >= median(server.name, row):
                bad.append('%s, %s: level 1 is not ahead of %s (%.2f times its median)' %
                           (title, NAMES[row], server.name, one / median(server.name, row)))
        if median('blanket, 3 levels', row) > 1.2 * one:
            bad.append('%s, %s: level 3 is %.2f times level 1' %
                       (title, NAMES[row], median('blanket, 3 levels', row) / one))
    return bad


def memory_table(servers, memory, made):
    """`made`: nodes that the second filling added; what clients took before that isn't theirs."""
    lines = ['### Memory', '', '| | with 100 nodes, MiB | bytes of each node more |', '| --- | --- | --- |']
    for server in servers:
        lines.append('| %s | %.1f | %.0f |' % (
            server.name, memory[100][1][server.name] / 2**20,
            (memory[100000][1][server.name] - memory[100000][0][server.name]) / made))
    return lines + ['']


def run(build, where, rounds):
    servers = start(build, where)
    lines, bad, memory = [], [], {}
    try:
        for nodes, leaves in NODES.items():
            before = {server.name: server.memory() for server in servers}
            for server in servers:
                client(build, server, 'fill', leaves)
            after = {server.name: server.memory() for server in servers}
            memory[nodes] = (before, after)
            for clients in COUNTS if rounds else []:
                title = '%u client%s, %s nodes' % (clients, '' if clients == 1 else 's', format(nodes, ','))
                times, spent = measure(build, servers, clients, leaves, rounds)
                part = table(title, servers, times, spent)
                print('\n'.join(part), flush=True)
                lines += part
                bad += judge(title, servers, times)
        leaves = max(NODES.values()) - min(NODES.values())
        made = leaves + leaves // 10 + leaves // 1000  # with the directories
        part = memory_table(servers, memory, made)
        print('\n'.join(part))
        lines += part
    finally:
        for server in servers:
            server.stop()
    if not rounds:
        return lines
    verdict = ['Where the aims (ahead of both at level 1; level 3 within 1.2 of level 1) are missed:', '']
    verdict += ['- ' + line for line in bad] or ['- nowhere']
    print('\n'.join(verdict))
    return lines + verdict + ['']


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('build')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--markdown', help='put the tables after the marker line of this file')
    parser.add_argument('--memory', action='store_const', dest='rounds', const=0, help='no times')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit('stopped'))  # and the servers with it
    with tempfile.TemporaryDirectory() as where:
        lines = run(os.path.abspath(options.build), where, options.rounds)
    if options.markdown:
        with open(options.markdown, encoding='utf-8') as file:
            text = file.read()
        marker = '<!-- tables -->\n'
        head = text[:text.index(marker) + len(marker)]
        with open(options.markdown, 'w', encoding='utf-8') as file:
            file.write(head + '\n' + '\n'.join(lines))


if __name__ == '__main__':
    main()
