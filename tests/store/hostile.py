#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a socket client of `blanket store` can do wrong, and that nobody else notices.

hostile.py PROGRAM [LEVELS...]: each check on a store of its own, at each number of levels (0, 1 and 3);
the last line is "N passed, N failed, 0 skipped".
"""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

from wire import (CONTROL, DIRECTORY, DIRECTORY_PART, ERROR, GET_DOMAIN_PATH, GET_PERMS, HEADER, INTRODUCE,
                  IS_DOMAIN_INTRODUCED, MKDIR, READ, RELEASE, RESET_WATCHES, RESUME, RM, SET_PERMS,
                  SET_TARGET, TRANSACTION_END, TRANSACTION_START, UNWATCH, WATCH, WATCH_EVENT, WRITE, Gone,
                  Server, nul, until)

OK = b'OK\0'


def is_(got, expected, what=''):
    assert got == expected, '%s: %r instead of %r' % (what, got, expected)


# ---- each malformed kind has its reply ----

BAD_BODIES = [
    # (type, body, what may come back)
    (READ, b'', 'EINVAL'), (READ, b'/a', 'EINVAL'), (READ, nul(''), 'EINVAL'), (READ, nul('/a/'), 'EINVAL'),
    (READ, nul('//a'), 'EINVAL'), (READ, nul('/a b'), 'EINVAL'), (READ, nul('/\xff'), 'EINVAL'),
    (READ, nul('/' + 'a' * 3072), 'EINVAL'), (READ, nul('/nothing'), 'ENOENT'), (READ, nul('/a', '/a'), None),
    (DIRECTORY, b'', 'EINVAL'), (DIRECTORY, b'/', 'EINVAL'), (DIRECTORY, nul('/nothing'), 'ENOENT'),
    (DIRECTORY_PART, nul('/'), 'EINVAL'), (DIRECTORY_PART, nul('/', 'x'), None),
    (DIRECTORY_PART, nul('/nothing', '0'), 'ENOENT'),
    (GET_PERMS, b'\0\0', 'EINVAL'), (GET_PERMS, nul('/nothing'), 'ENOENT'),
    (WRITE, b'', 'EINVAL'), (WRITE, b'/a', 'EINVAL'), (WRITE, nul('') + b'v', 'EINVAL'),
    (MKDIR, b'/a', 'EINVAL'), (MKDIR, nul('/a b'), 'EINVAL'), (RM, b'', 'EINVAL'), (RM, nul('/'), 'EINVAL'),
    (SET_PERMS, nul('/a'), 'EINVAL'), (SET_PERMS, nul('/a', 'x0'), 'EINVAL'), (SET_PERMS, nul('/a', 'n'), None),
    (SET_PERMS, nul('/a') + b'n0', 'EINVAL'), (SET_PERMS, nul('/a', 'n99999'), 'EINVAL'),
    (WATCH, b'', 'EINVAL'), (WATCH, nul('/a'), 'EINVAL'), (WATCH, nul('/a') + b'token', 'EINVAL'),
    (WATCH, nul('', 'token'), 'EINVAL'), (WATCH, nul('/a b', 'token'), 'EINVAL'),
    (WATCH, nul('/a', 't' * 1023), 'E2BIG'),
    (WATCH, nul('/a', 't', 'u'), 'EINVAL'), (UNWATCH, nul('/a', 'token'), 'ENOENT'), (UNWATCH, b'/a', 'EINVAL'),
    (TRANSACTION_END, nul('T'), 'ENOENT'), (TRANSACTION_END, b'', 'ENOENT'),
    (GET_DOMAIN_PATH, b'', 'EINVAL'), (GET_DOMAIN_PATH, nul('x'), 'EINVAL'),
    (IS_DOMAIN_INTRODUCED, b'1', 'EINVAL'),
    (CONTROL, nul('help'), 'EACCES'), (INTRODUCE, nul('1', '2', '3'), 'EACCES'), (RELEASE, nul('1'), 'EACCES'),
    (SET_TARGET, nul('1', '2'), 'EACCES'), (RESUME, nul('1'), 'EACCES'),
    (WATCH_EVENT, nul('/a', 't'), 'ENOSYS'), (ERROR, nul('EINVAL'), 'ENOSYS'), (20, nul('/a'), 'ENOSYS'),
    (23, b'', 'ENOSYS'), (1000, b'x', 'ENOSYS'), (0xffff, b'', 'ENOSYS'), (0x10001, nul('/'), 'ENOSYS'),
    (0xffffffff, b'\0' * 4096, 'ENOSYS'),
]


def check_malformed(bed):
    """Each gets one reply, an error unless more than one answer is right, and the connection lives."""
    client = bed.server.client()
    for kind, body, expected in BAD_BODIES:
        got = client.ask(kind, body)
        what = 'type %u with %r' % (kind, body[:40])
        if expected:
            is_(got, expected, what)
        is_(client.ask(READ, nul('/tool')), b'', 'after ' + what)
    assert client.quiet(), (client.events, client.buffer)


def check_transaction_ids(bed):
    """Ids that aren't the client's own transactions."""
    client, other = bed.server.client(), bed.server.client()
    mine, theirs = client.begin(), other.begin()
    theirs2 = other.begin()
    for tx in {theirs, theirs2, 77, 0x10000, 0xffffffff} - {mine}:
        is_(client.ask(READ, nul('/tool'), tx), 'ENOENT', 'READ')
        is_(client.ask(WRITE, nul('/a') + b'v', tx), 'ENOENT', 'WRITE')
        is_(client.end(tx), 'ENOENT', 'END')
        is_(client.ask(TRANSACTION_START, b'\0', tx), 'ENOENT', 'START')
    is_(client.ask(TRANSACTION_START, b'\0', mine), 'EBUSY', 'nested')
    for body in (b'', b'T', b'X\0', b'TT\0', b'T\0T\0'):
        is_(client.ask(TRANSACTION_END, body, mine), 'EINVAL', 'END with %r' % body)
    is_(client.ask(WRITE, nul('/a') + b'v', mine), OK)
    is_(client.end(mine), OK)
    is_(client.end(mine), 'ENOENT', 'END again')
    is_(other.end(theirs, False), OK)
    is_(other.ask(READ, nul('/a')), b'v')


def check_too_long(bed):
    """More than a message may have: the reply is the last thing on that connection."""
    for length in (4097, 65536, 0x80000000, 0xffffffff):
        client = bed.server.client()
        is_(client.ask(READ, nul('/tool')), b'')
        ident = client.send(WRITE, nul('/long') + b'x', length=length)
        is_(client.reply(ident), (ERROR, b'E2BIG\0'))
        assert client.closed()
    is_(bed.server.client().ask(READ, nul('/long')), 'ENOENT')


def check_largest(bed):
    """4096 bytes of body go both ways."""
    client = bed.server.client()
    value = b'v' * (4096 - len(nul('/large')))
    is_(client.ask(WRITE, nul('/large') + value), OK)
    is_(client.ask(READ, nul('/large')), value)
    path = '/' + '/'.join(['d' * 200] * 15)
    is_(client.ask(WRITE, nul(path) + b'deep'), OK)
    is_(client.ask(READ, nul(path)), b'deep')
    is_(client.ask(WATCH, nul(path, 't' * 1022)), OK)
    is_(client.event(), (path.encode(), b't' * 1022))


# ---- streams ----

def check_byte_by_byte(bed):
    client = bed.server.client()
    for byte in HEADER.pack(WRITE, 1, 0, 8) + nul('/slow') + b'ly':
        client.raw(bytes([byte]))
        time.sleep(0.001)
    is_(client.reply(1), (WRITE, OK))
    data = b''.join(HEADER.pack(READ, i, 0, 6) + nul('/slow') for i in range(2, 12))
    rest = random.Random(1)
    while data:
        size = rest.randint(1, 30)
        client.raw(data[:size])
        data = data[size:]
    for i in range(2, 12):
        is_(client.reply(i), (READ, b'ly'))


def check_partial_and_gone(bed):
    """Whatever is missing from the last message, the ones before it are performed."""
    for cut in range(1, 25):
        client = bed.server.client()
        whole = HEADER.pack(WRITE, 1, 0, 8) + nul('/part') + b'%02u' % cut
        client.raw(whole + (whole[:-1] + b'!')[:cut % len(whole)])
        client.close()
        witness = bed.server.client()
        until(lambda c=cut, w=witness: w.ask(READ, nul('/part')) == b'%02u' % c, 'the write before the cut')
        witness.close()


def check_half_closed(bed):
    """A client that says no more is answered all the same."""
    client = bed.server.client()
    ids = [client.send(READ, nul('/tool')) for _ in range(50)]
    client.socket.shutdown(socket.SHUT_WR)
    for ident in ids:
        is_(client.reply(ident), (READ, b''))
    try:
        client.message()
        raise AssertionError('it was not closed')
    except Gone:
        pass


def check_pipeline(bed):
    """Many requests at once, more than fit any buffer: all are answered, in order."""
    client = bed.server.client()
    client.ask(WRITE, nul('/value') + b'v' * 2000)
    sent, got, total = [], 0, 1500
    client.socket.settimeout(30)
    while got < total:
        while len(sent) < total and len(sent) - got < 20:
            sent.append(client.send(READ, nul('/value')))
        is_(client.reply(sent[got])[0], READ)
        got += 1


def check_garbage(bed):
    """Random bytes in random pieces: the server answers or closes, and lives."""
    rest = random.Random(bed.levels + 5)
    for _ in range(60):
        client = bed.server.client()
        try:
            for _ in range(rest.randint(1, 20)):
                size = rest.choice([0, 3, 16, 40, 4000])
                head = HEADER.pack(rest.choice([rest.randint(0, 25), rest.getrandbits(32)]), 1,
                                   rest.choice([0, 1, rest.getrandbits(32)]),
                                   rest.choice([size, size, rest.randint(0, 5000)]))
                client.raw(head + rest.randbytes(size))
        except OSError:
            pass
        client.close()
    is_(bed.server.client().ask(READ, nul('/tool')), b'')


# ---- those that don't read ----

def latency(client, count=300):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        is_(client.ask(READ, nul('/tool')), b'')
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2]


def check_never_reads_replies(bed):
    """A flood of requests whose replies nobody takes: it is stopped, and others don't feel it."""
    witness = bed.server.client()
    witness.ask(WRITE, nul('/big') + b'b' * 2000)
    before, memory = latency(witness), bed.server.memory()
    sleeper = bed.server.client()
    sleeper.socket.setblocking(False)
    request = HEADER.pack(READ, 1, 0, 5) + nul('/big')
    sent = 0
    deadline = time.monotonic() + 2
    stuck = 0
    while time.monotonic() < deadline and stuck < 20:
        try:
            sent += sleeper.socket.send(request * 200)
            stuck = 0
        except BlockingIOError:
            stuck += 1
            time.sleep(0.01)
    assert stuck == 20, 'it took %u bytes of requests without an end' % sent
    grown = bed.server.memory() - memory
    assert grown < 1024, 'it grew by %u KiB' % grown
    after = latency(witness)
    assert after < 20 * before + 0.002, 'others took %.6f s, and %.6f s before' % (after, before)
    sleeper.socket.setblocking(True)
    sleeper.socket.settimeout(20)
    is_(sleeper.message()[0], READ)  # it may begin to read at any time
    sleeper.close()


def check_never_reads_events(bed):
    """Watches that fire for a client that doesn't read: bounded, and its last event comes."""
    sleeper, writer = bed.server.client(), bed.server.client()
    for i in range(100):
        is_(sleeper.ask(WATCH, nul('/noise', 'token%u' % i)), OK)
    is_({sleeper.event()[1] for _ in range(100)}, {b'token%u' % i for i in range(100)})
    # Once everything is full: what fires more often takes no more.
    for i in range(60):
        is_(writer.ask(WRITE, nul('/noise/%u' % (i % 7)) + b'x' * 100), OK)
    memory = bed.server.memory()
    for i in range(300):
        is_(writer.ask(WRITE, nul('/noise/%u' % (i % 7)) + b'x' * 100), OK)
    grown = bed.server.memory() - memory
    assert grown < 1024, 'it grew by %u KiB' % grown
    is_(writer.ask(WRITE, nul('/noise/last') + b'x'), OK)
    marks, tokens = set(), {b'token%u' % i for i in range(100)}
    ident = sleeper.send(READ, nul('/noise/last'))
    sleeper.reply(ident)
    # Each watch has told of something after the last write, by its own path or that one.
    while marks != tokens:
        path, token = sleeper.event()
        if path in (b'/noise', b'/noise/last'):
            marks.add(token)


def check_gone_with_watches(bed):
    """Clients that leave with watches set and transactions open give everything back."""
    witness = bed.server.client()
    is_(witness.ask(WRITE, nul('/w') + b'0'), OK)
    descriptors = bed.server.descriptors()
    for round_ in range(12):
        clients = [bed.server.client() for _ in range(10)]
        for client in clients:
            ids = [client.send(WATCH, nul('/w/%u' % i, 't')) for i in range(128)]
            ids += [client.send(TRANSACTION_START, b'\0') for _ in range(16)]
            for ident in ids:
                client.reply(ident)
        for i, client in enumerate(clients):
            if i % 2:
                client.send(WRITE, nul('/w/%u' % i) + b'x')
            client.close()
        is_(witness.ask(WRITE, nul('/w') + b'%u' % round_), OK)
    until(lambda: bed.server.descriptors() == descriptors, 'descriptors of clients that are gone')
    client = bed.server.client()
    for i in range(128):
        is_(client.ask(WATCH, nul('/w/%u' % i, 't')), OK, 'watch %u' % i)
    for i in range(16):
        assert client.begin() > 0


def check_gone_in_a_transaction(bed):
    """What wasn't committed never was; and a transaction's conflict is seen by the other only."""
    client, other = bed.server.client(), bed.server.client()
    tx = client.begin()
    is_(client.ask(WRITE, nul('/t') + b'1', tx), OK)
    is_(client.ask(READ, nul('/t'), tx), b'1')
    is_(other.ask(READ, nul('/t')), 'ENOENT')
    client.close()
    is_(other.ask(READ, nul('/t')), 'ENOENT')
    tx = other.begin()
    is_(other.ask(READ, nul('/tool'), tx), b'')
    third = bed.server.client()
    is_(third.ask(WRITE, nul('/tool') + b'x'), OK)
    is_(other.ask(WRITE, nul('/t') + b'2', tx), OK)
    is_(other.end(tx), 'EAGAIN')
    is_(third.ask(READ, nul('/t')), 'ENOENT')


# ---- quotas ----

def check_quotas(bed):
    """Over a quota: the request's own error, the quota's name in the log, and others have theirs."""
    client, other = bed.server.client(), bed.server.client()
    for i in range(128):
        is_(client.ask(WATCH, nul('/q/%u' % i, 't')), OK)
    is_(client.ask(WATCH, nul('/q/128', 't')), 'E2BIG')
    ids = [client.begin() for _ in range(16)]
    is_(len(set(ids)), 16)
    is_(client.ask(TRANSACTION_START, b'\0'), 'ENOSPC')
    until(lambda: 'quota: watches (128)' in bed.server.said() and
          'quota: transactions (16)' in bed.server.said(), 'the names of the quotas: ' + bed.server.said())
    is_(other.ask(WATCH, nul('/q', 't')), OK)
    assert other.begin() > 0
    is_(client.ask(UNWATCH, nul('/q/5', 't')), OK)
    is_(client.ask(WATCH, nul('/q/new', 't')), OK)
    is_(client.end(ids[3], False), OK)
    assert client.begin() > 0
    is_(client.ask(RESET_WATCHES, b'\0'), OK)
    for i in range(128):
        is_(client.ask(WATCH, nul('/q/%u' % i, 't')), OK)
    for _ in range(16):
        assert client.begin() > 0


def check_full(bed):
    """A store without room says so, goes on, and can be emptied."""
    server = bed.another('--memory', '1')
    client = server.client()
    count = 0
    while client.ask(WRITE, nul('/f/%u/%u' % (count // 100, count)) + b'v' * 50) == OK:
        count += 1
    assert 1000 < count < 20000, count
    is_(client.ask(WRITE, nul('/f/new') + b'v' * 50), 'ENOMEM')
    is_(client.ask(READ, nul('/f/0/0')), b'v' * 50)
    is_(client.ask(RM, nul('/f')), OK)
    is_(client.ask(WRITE, nul('/f') + b'v' * 3000), OK)
    assert client.begin() > 0
    is_(server.stop(), 0)


def check_all_clients_there(bed):
    """As many as may be; the next one waits until one leaves."""
    server = bed.another('--clients', '4')
    clients = [server.client() for _ in range(4)]
    for client in clients:
        is_(client.ask(READ, nul('/tool')), b'')
    fifth = server.client()
    ident = fifth.send(READ, nul('/tool'))
    for client in clients:
        is_(client.ask(READ, nul('/tool')), b'')
    assert fifth.quiet()
    clients[2].close()
    is_(fifth.reply(ident), (READ, b''))
    is_(server.stop(), 0)


def check_fifty_clients(bed):
    """All at once, each its own values, watches and transactions."""
    clients = [bed.server.client() for _ in range(50)]
    for round_ in range(5):
        ids = [c.send(WRITE, nul('/many/%u' % i) + b'%u' % round_) for i, c in enumerate(clients)]
        for client, ident in zip(clients, ids):
            is_(client.reply(ident), (WRITE, OK))
        ids = [c.send(READ, nul('/many/%u' % i)) for i, c in enumerate(clients)]
        for client, ident in zip(clients, ids):
            is_(client.reply(ident), (READ, b'%u' % round_))
    for i, client in enumerate(clients):
        is_(client.ask(WATCH, nul('/many/%u' % i, 'own%u' % i)), OK)
        is_(client.event(), (b'/many/%u' % i, b'own%u' % i))
    for i, client in enumerate(clients):
        clients[(i + 1) % 50].ask(WRITE, nul('/many/%u' % i) + b'new')
        is_(client.event(), (b'/many/%u' % i, b'own%u' % i))
    txs = [client.begin() for client in clients]
    for i, (client, tx) in enumerate(zip(clients, txs)):
        is_(client.ask(WRITE, nul('/many/%u' % i) + b'tx', tx), OK)
    for client, tx in zip(clients, txs):
        is_(client.end(tx), OK)
    is_(clients[0].ask(DIRECTORY, nul('/many')).count(b'\0'), 50)


# ---- watches ----

def check_watches(bed):
    """Tokens are the client's own; one watch is one path and one token."""
    client, other = bed.server.client(), bed.server.client()
    is_(client.ask(WATCH, nul('/x', 'one')), OK)
    is_(client.ask(WATCH, nul('/x', 'two')), OK)
    is_(client.ask(WATCH, nul('/x', 'one')), 'EEXIST')
    is_(client.ask(WATCH, nul('home', '')), OK)
    is_(client.ask(WATCH, nul('/local/domain/0/home', '')), 'EEXIST', 'the same path')
    is_({client.event() for _ in range(3)}, {(b'/x', b'one'), (b'/x', b'two'), (b'home', b'')})
    is_(other.ask(WRITE, nul('/x/y') + b'1'), OK)
    is_({client.event(), client.event()}, {(b'/x/y', b'one'), (b'/x/y', b'two')})
    is_(other.ask(WRITE, nul('home/a') + b'1'), OK)
    is_(client.event(), (b'home/a', b''))
    is_(client.ask(UNWATCH, nul('/x', 'one')), OK)
    is_(client.ask(UNWATCH, nul('/x', 'one')), 'ENOENT')
    is_(client.ask(UNWATCH, nul('/local/domain/0/home', '')), OK)
    is_(other.ask(RM, nul('/x')), OK)
    is_(client.event(), (b'/x', b'two'))
    is_(client.ask(RESET_WATCHES, b'\0'), OK)
    is_(other.ask(WRITE, nul('/x') + b'2'), OK)
    is_(client.ask(READ, nul('/x')), b'2')
    assert client.quiet()
    is_(client.ask(WATCH, nul('@releaseDomain', 'special')), OK)
    is_(client.event(), (b'@releaseDomain', b'special'))


def check_events_are_isolated(bed):
    """A client's events come to it alone; a slow client's don't delay another's."""
    slow, quick, writer = (bed.server.client() for _ in range(3))
    for client in (slow, quick):
        is_(client.ask(WATCH, nul('/e', 'mine')), OK)
    for i in range(500):
        is_(writer.ask(WRITE, nul('/e/%u' % i) + b''), OK)
        if i == 0:
            is_(quick.event(), (b'/e', b'mine'))
        is_(quick.event(), (b'/e/%u' % i, b'mine'))
    assert writer.quiet()


# ---- over a restart ----

def check_restart(bed):
    state = os.path.join(bed.where, 'state')
    server = bed.another('--state', state)
    client = server.client()
    is_(client.ask(WRITE, nul('/keep/value') + b'\1\0\377'), OK)
    is_(client.ask(SET_PERMS, nul('/keep/value', 'n0', 'r5')), OK)
    is_(client.ask(WATCH, nul('/keep', 't')), OK)
    tx = client.begin()
    is_(client.ask(WRITE, nul('/lost') + b'x', tx), OK)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: os.path.exists(state), 'the state at SIGHUP')
    is_(client.ask(READ, nul('/keep/value')), b'\1\0\377', 'it goes on')
    is_(server.stop(), 0)
    assert not os.path.exists(server.path), 'the socket is still there'
    is_(os.stat(state).st_mode & 0o777, 0o600)
    server = bed.another('--state', state)
    client = server.client()
    is_(client.ask(READ, nul('/keep/value')), b'\1\0\377')
    is_(client.ask(GET_PERMS, nul('/keep/value')), nul('n0', 'r5'))
    is_(client.ask(READ, nul('/lost')), 'ENOENT')
    is_(client.ask(WRITE, nul('/keep') + b'x'), OK)
    assert client.quiet(), 'a watch was kept'
    is_(server.stop(signal.SIGINT), 0)
    with open(state, 'r+b') as file:
        file.truncate(os.path.getsize(state) - 9)
    done = subprocess.run([bed.program, 'store', '--socket', server.path, '--state', state], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    is_(done.returncode, 1)
    assert "isn't a state" in done.stderr, done.stderr


def check_killed(bed):
    """A socket that a killed server left is taken over; one that is served isn't."""
    server = bed.another()
    done = subprocess.run([bed.program, 'store', '--socket', server.path], timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    is_(done.returncode, 1)
    assert "can't serve" in done.stderr, done.stderr
    is_(server.client().ask(READ, nul('/tool')), b'')
    server.stop(signal.SIGKILL)
    assert os.path.exists(server.path)
    server = bed.another()
    is_(server.client().ask(READ, nul('/tool')), b'')
    is_(server.stop(), 0)


def check_as_a_domain(bed):
    """Taken for another domain: its permissions and quotas are the store's own."""
    server = bed.another('--domain', '3')
    client = server.client()
    is_(client.ask(READ, nul('/local/domain/3/domid')), b'3')
    is_(client.ask(READ, nul('domid')), b'3')
    is_(client.ask(WRITE, nul('/tool/x') + b'v'), 'EACCES')
    is_(client.ask(READ, nul('/tool')), 'EACCES')
    is_(client.ask(GET_DOMAIN_PATH, nul('3')), nul('/local/domain/3'))
    is_(client.ask(IS_DOMAIN_INTRODUCED, nul('3')), 'EACCES')
    is_(server.stop(), 0)
    zero = bed.server.client()
    is_(zero.ask(IS_DOMAIN_INTRODUCED, nul('0')), nul('T'))
    is_(zero.ask(IS_DOMAIN_INTRODUCED, nul('9')), nul('F'))


# ---- command line ----

def check_options(bed):
    """Each is refused with a line that says why, and 2."""
    for options, words in [
            ([], '--socket'), (['--socket'], ''), (['--socket', 'x', '--levels', '17'], '0 to 16'),
            (['--socket', 'x', '--levels', 'one'], '0 to 16'), (['--socket', 'x', '--clients', '0'], '1 to'),
            (['--socket', 'x', 'y'], 'y'), (['--nothing'], ''),
            (['--socket', 'x', '--clients', '1000', '--watches', '1000'], '65536')]:
        done = subprocess.run([bed.program, 'store', *options], stdout=subprocess.PIPE, cwd=bed.where,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        is_(done.returncode, 2, str(options))
        assert words in done.stderr and done.stderr, (options, done.stderr)
    for options in (['--socket', os.path.join(bed.where, 'none', 'x')], ['--socket', '/' + 'x' * 200]):
        done = subprocess.run([bed.program, 'store', *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        is_(done.returncode, 1, str(options))
        assert done.stderr.startswith('blanket: '), done.stderr
    done = subprocess.run([bed.program, 'store', '--help'], stdout=subprocess.PIPE, text=True, timeout=60,
                          check=True)
    for option in ('--socket', '--levels', '--state', '--clients', '--watches', '--transactions'):
        assert option in done.stdout


class Bed:
    """A store for one check, and a place for its files."""

    def __init__(self, program, levels, where):
        self.program, self.levels, self.where = program, levels, where
        self.others = []
        self.server = self.another()

    def another(self, *options):
        where = os.path.join(self.where, 'server%u' % len(self.others))
        os.mkdir(where)
        server = Server(self.program, where, self.levels, '--check', *options)
        self.others.append(server)
        return server

    def finish(self):
        """The one that every check has must end well, too."""
        status = self.server.stop()
        assert status == 0, 'blanket store ended with %d: %s' % (status, self.server.said())

    def kill(self):
        for server in self.others:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


def run(program, levels, name, check):
    """None, or what went wrong."""
    with tempfile.TemporaryDirectory() as where:
        bed = None
        try:
            bed = Bed(program, levels, where)
            check(bed)
            bed.finish()
        except (AssertionError, Gone, OSError, subprocess.SubprocessError) as error:
            said = ''.join(server.said() for server in bed.others) if bed else ''
            return '%s at %u levels: %s %s\n%s' % (name, levels, type(error).__name__, error, said[-2000:])
        finally:
            if bed:
                bed.kill()
    return None


def main():
    program = os.path.abspath(sys.argv[1])
    wanted = [int(number) for number in sys.argv[2:]] or [0, 1, 3]
    checks = {name: check for name, check in globals().items() if name.startswith('check_')}
    failures = []
    for levels in wanted:
        for name, check in checks.items():
            failure = run(program, levels, name, check)
            if failure:
                print('FAIL', failure)
                failures.append(name)
    print('%u passed, %u failed, 0 skipped' % (len(checks) * len(wanted) - len(failures), len(failures)))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
