#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`blanket run` from end to end: what it copies, what it reports, and how it refuses.

cli.py PROGRAM [SEED]: runs everything; the last line is "N passed, N failed, 0 skipped". The images are
random, by the seed, which is another one each time if none is given.
"""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

SECTOR = 512


class Bed:
    def __init__(self, program, seed, where):
        self.program, self.where = program, where
        self.random = random.Random(seed)
        self.count = 0

    def path(self, name):
        return os.path.join(self.where, name)

    def image(self, sectors, extra=0):
        """A new file of random bytes."""
        self.count += 1
        path = self.path('image%d' % self.count)
        with open(path, 'wb') as handle:
            handle.write(self.random.getrandbits(8 * (sectors * SECTOR + extra)).to_bytes(
                sectors * SECTOR + extra, 'little') if sectors + extra else b'')
        return path

    def run(self, *arguments, **options):
        return subprocess.run([self.program, 'run', *[str(a) for a in arguments]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, check=False, timeout=280,
                              **options)


def content(path):
    with open(path, 'rb') as handle:
        return handle.read()


def expect(condition, *what):
    if not condition:
        raise AssertionError(' '.join(str(w) for w in what))


def expect_refused(bed, code, word, *arguments, **options):
    """One line that has the word, nothing on standard output, that exit."""
    done = bed.run(*arguments, **options)
    expect(done.returncode == code, 'exit', done.returncode, 'not', code, done.stderr)
    expect(done.stdout == '', 'it printed', done.stdout)
    expect(done.stderr.count('\n') == 1 and done.stderr.startswith('blanket: '), 'not one line:', done.stderr)
    expect(word in done.stderr, 'no "%s" in' % word, done.stderr)


def good(bed, *arguments):
    done = bed.run(*arguments)
    expect(done.returncode == 0 and done.stderr == '', arguments, 'exit', done.returncode, done.stderr)
    return done.stdout


# ---- what it copies ----

SHAPES = [
    (1, 2048, []),
    (2, 1, []),
    (3, 4099, ['--no-persistent']),
    (5, 9001, ['--ring-pages', 4]),
    (8, 2049, ['--guests', 3]),
    (16, 2048, []),
    (16, 1030, ['--no-persistent', '--guests', 2]),
    (3, 8192, ['--segments', 11, '--ring-pages', 16]),
    (3, 8191, ['--segments', 1, '--no-persistent']),
    (2, 16384, ['--segments', 256, '--ring-pages', 2]),
    (2, 6000, ['--segments', 256, '--no-persistent', '--guests', 5]),
    (4, 700, ['--guests', 64]),
    (1, 64, ['--guests', 64, '--segments', 7]),
]


def test_read(bed):
    for levels, sectors, more in SHAPES:
        disk, out = bed.image(sectors), bed.path('out')
        good(bed, '--levels', levels, '--disk', disk, '--read-to', out, *more)
        expect(content(out) == content(disk), 'differs:', levels, sectors, more)


def test_write(bed):
    for levels, sectors, more in SHAPES:
        disk, source = bed.image(sectors), bed.image(sectors)
        good(bed, '--levels', levels, '--disk', disk, '--write-from', source, *more)
        expect(content(source) == content(disk), 'differs:', levels, sectors, more)


def test_write_a_part(bed):
    for sectors, part, guests in (3000, 1, 1), (3000, 2999, 4), (3000, 700, 4), (3000, 1500, 2):
        disk, source = bed.image(sectors), bed.image(part)
        rest = content(disk)[part * SECTOR:]
        good(bed, '--disk', disk, '--write-from', source, '--guests', guests)
        expect(content(disk) == content(source) + rest, 'differs:', sectors, part, guests)


def test_targets(bed):
    disk, out = bed.image(100), bed.path('kept')
    with open(out, 'wb') as handle:
        handle.write(b'x' * 200000)  # longer than the disk
    os.chmod(out, 0o640)
    good(bed, '--disk', disk, '--read-to', out)
    expect(content(out) == content(disk), 'an existing file is replaced as a whole')
    expect(os.stat(out).st_mode & 0o777 == 0o640, 'its mode stays')
    link = bed.path('link')
    os.symlink('kept', link)
    other = bed.image(50)
    good(bed, '--disk', other, '--read-to', link)
    expect(os.path.islink(link) and content(out) == content(other), 'what a link names is replaced')


# ---- what it reports ----

def report(bed, *arguments):
    return json.loads(good(bed, '--json', *arguments))


def test_json(bed):
    disk = bed.image(20480)
    told = report(bed, '--levels', 4, '--disk', disk, '--read-to', bed.path('out'), '--segments', 11)
    expect(told['bytes'] == 20480 * SECTOR and told['job'] == 'read', told)
    expect(told['requests'] == -(-20480 // 88), told['requests'])
    expect([level['level'] for level in told['levels']] == [1, 2, 3, 4], told['levels'])
    expect('simulated' in told['throughput']['of'], told['throughput'])
    for level in told['levels']:
        # One may be refused: a level that looks whether the one above has the device already.
        expect(level['hook_denied'] == 0 and level['refused'] <= 1 and level['lost'] == 0, level)
        expect(level['hook_allowed'] > 0 and level['bytes'] > 0 and level['calls'] > 0, level)
        expect(level['grants']['peak'] >= 353 and level['grants']['left'] == 0, level)
        expect(level['ports']['peak'] == 2 and level['ports']['left'] == 0, level)
        expect(level['mappings'] == {'live': 0, 'peak': 0, 'left': 0}, level)


def test_only_doorbells(bed):
    """With persistent grants nothing crosses a level for a request but doorbells."""
    disk = bed.image(20480)
    for more in [], ['--ring-pages', 4], ['--segments', 11]:
        told = report(bed, '--levels', 3, '--disk', disk, '--read-to', bed.path('out'), *more)
        for level in told['levels']:
            expect(level['crossings_while_copying'] <= told['device']['doorbells_to_backend'] + 1, told)
    told = report(bed, '--levels', 3, '--disk', disk, '--read-to', bed.path('out'), '--no-persistent')
    for level in told['levels']:
        expect(level['crossings_while_copying'] > told['requests'] // 2, told)


def test_seed(bed):
    disk = bed.image(10000)
    arguments = ['--levels', 3, '--guests', 3, '--disk', disk, '--read-to', bed.path('out'), '--no-persistent']

    def run(seed):
        told = report(bed, '--seed', seed, *arguments)
        del told['seconds'], told['throughput'], told['seed']
        return told
    expect(run(7) == run(7), 'the same seed, another run')


def test_text(bed):
    text = good(bed, '--levels', 2, '--disk', bed.image(100), '--read-to', bed.path('out'))
    expect('simulated levels in one process' in text and 'endpoints' in text, text)
    for arguments in ['--help'], ['--disk', 'x', '--help']:
        done = bed.run(*arguments)
        expect(done.returncode == 0 and done.stdout.startswith('usage: blanket run') and not done.stderr, done)
    done = subprocess.run([bed.program], stderr=subprocess.PIPE, universal_newlines=True, check=False)
    expect(done.returncode == 2 and 'usage' in done.stderr, done)
    done = subprocess.run([bed.program, 'ride'], stderr=subprocess.PIPE, universal_newlines=True, check=False)
    expect(done.returncode == 2 and 'ride' in done.stderr, done)
    done = subprocess.run([bed.program, '--version'], stdout=subprocess.PIPE, universal_newlines=True, check=False)
    expect(done.returncode == 0 and done.stdout.startswith('blanket '), done)


# ---- how it refuses ----

def test_options(bed):
    disk, out = bed.image(8), bed.path('never')
    both = ['--disk', disk, '--read-to', out]
    for word, arguments in [
            ('--disk', ['--read-to', out]),
            ('one of', ['--disk', disk]),
            ('one of', both + ['--write-from', disk]),
            ('1 to 16', both + ['--levels', '0']),
            ('1 to 16', both + ['--levels', '17']),
            ('1 to 16', both + ['--levels', '3x']),
            ('1 to 16', both + ['--levels', '-1']),
            ('1 to 16', both + ['--levels', '']),
            ('1 to 16', both + ['--levels', '99999999999999999999']),
            ('1 to 64', both + ['--guests', '65']),
            ('1 to 256', both + ['--segments', '257']),
            ('1, 2, 4', both + ['--ring-pages', '3']),
            ('1, 2, 4', both + ['--ring-pages', '32']),
            ('number', both + ['--seed', 'x']),
            ('value', both + ['--levels']),
            ('--nonsense', both + ['--nonsense']),
            ('extra', both + ['extra']),
            ('fewer sectors', both + ['--guests', '9'])]:
        expect_refused(bed, 2, word, *arguments)
    expect(not os.path.exists(out), 'it left a file')


def test_files(bed):
    disk, out = bed.image(8), bed.path('never')
    odd, empty, short = bed.image(3, 100), bed.image(0), bed.image(7)
    folder = bed.path('folder')
    os.mkdir(folder)
    fifo = bed.path('fifo')
    os.mkfifo(fifo)
    for word, arguments in [
            ('No such file', ['--disk', bed.path('none'), '--read-to', out]),
            ('multiple of the sector size', ['--disk', odd, '--read-to', out]),
            ('empty', ['--disk', empty, '--read-to', out]),
            ('neither', ['--disk', folder, '--read-to', out]),
            ('neither', ['--disk', fifo, '--read-to', out]),
            ('neither', ['--disk', '/dev/null', '--read-to', out]),
            ('neither', ['--disk', disk, '--read-to', folder]),
            ('neither', ['--disk', disk, '--read-to', fifo]),
            ('neither', ['--disk', disk, '--read-to', '/dev/full']),
            ('No such file', ['--disk', disk, '--read-to', bed.path('none/x')]),
            ('own copy', ['--disk', disk, '--read-to', disk]),
            ('own copy', ['--disk', disk, '--write-from', disk]),
            ('No such file', ['--disk', disk, '--write-from', bed.path('none')]),
            ('multiple of the sector size', ['--disk', disk, '--write-from', odd]),
            ('empty', ['--disk', disk, '--write-from', empty]),
            ('too few', ['--disk', short, '--write-from', disk])]:
        expect_refused(bed, 2, word, *arguments)
    expect(not os.path.exists(out), 'it left a file')
    expect(content(short) != content(disk)[:7 * SECTOR], 'it wrote to a disk that it refused')


def unprivileged():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def test_rights(bed):
    if os.geteuid() != 0:
        return
    os.chmod(bed.where, 0o755)
    disk = bed.image(8)
    secret = bed.image(8)
    os.chmod(secret, 0o600)
    expect_refused(bed, 2, 'Permission denied', '--disk', secret, '--read-to', bed.path('x'), preexec_fn=unprivileged)
    expect_refused(bed, 2, 'Permission denied', '--disk', disk, '--read-to', bed.path('x'), preexec_fn=unprivileged)
    expect_refused(bed, 2, 'Permission denied', '--disk', disk, '--write-from', disk, preexec_fn=unprivileged)


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * SECTOR, 100 * SECTOR))


def test_failed_jobs(bed):
    """A disk that takes no more, a target that has no room: exit 1 or 2, and nothing half done is left."""
    disk, source = bed.image(2000), bed.image(2000)
    done = bed.run('--disk', disk, '--write-from', source, preexec_fn=small_files)
    expect(done.returncode == 1 and done.stdout == '', done)
    expect(done.stderr.count('File too large') == 1 and done.stderr.count('\n') == 2, 'said once:', done.stderr)
    done = bed.run('--disk', disk, '--write-from', source, '--guests', 8, preexec_fn=small_files)
    expect(done.returncode == 1 and done.stderr.count('\n') == 2, 'said once for all guests:', done.stderr)
    before = set(os.listdir(bed.where))
    kept = bed.image(1)
    old = content(kept)
    expect_refused(bed, 2, 'File too large', '--disk', disk, '--read-to', kept, preexec_fn=small_files)
    expect(content(kept) == old, 'what was there before is gone')
    expect(set(os.listdir(bed.where)) - before == {os.path.basename(kept)}, 'it left a file')


def test_no_reader(bed):
    """A report that nobody takes: the copy is there, and the exit says that something is missing."""
    disk, out = bed.image(100), bed.path('out')
    reader, writer = os.pipe()
    os.close(reader)
    for more in [], ['--json']:
        for sink in open('/dev/full', 'wb'), os.fdopen(os.dup(writer), 'wb'):
            done = subprocess.run([bed.program, 'run', '--disk', disk, '--read-to', out, *more], stdout=sink,
                                  stderr=subprocess.PIPE, universal_newlines=True, check=False)
            sink.close()
            expect(done.returncode == 1 and done.stderr.count('\n') == 1 and 'report' in done.stderr, done)
            expect(content(out) == content(disk), 'it differs')
            os.unlink(out)
    os.close(writer)


def test_interrupted(bed):
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        interrupt(bed, number)


def interrupt(bed, number):
    disk, out = bed.path('large'), bed.path('never')
    with open(disk, 'wb') as handle:
        handle.truncate(8 << 30)
    before = set(os.listdir(bed.where))
    command = [bed.program, 'run', '--levels', '2', '--no-persistent', '--segments', '1', '--disk', disk, '--read-to',
               out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True) as child:
        deadline = time.monotonic() + 60
        while set(os.listdir(bed.where)) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        child.send_signal(number)
        output, error = child.communicate(timeout=60)
    expect(child.returncode == 1 and output == '', child.returncode, output, error)
    expect('interrupted' in error, error)
    expect(set(os.listdir(bed.where)) == before, 'it left', set(os.listdir(bed.where)) - before)
    os.unlink(disk)


TESTS = [test_read, test_write, test_write_a_part, test_targets, test_json, test_only_doorbells, test_seed, test_text,
         test_options, test_files, test_rights, test_failed_jobs, test_no_reader, test_interrupted]


def main():
    program = os.path.abspath(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    failed = 0
    print('seed', seed)
    for test in TESTS:
        with tempfile.TemporaryDirectory() as where:
            try:
                test(Bed(program, seed, where))
                print('ok', test.__name__)
            except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                failed += 1
                print('FAILED %s: %s' % (test.__name__, str(error)[:2000]))
    print('%d passed, %d failed, 0 skipped' % (len(TESTS) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
