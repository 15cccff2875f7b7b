#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Xen's checks judge any mark, however malformed, and a check that fails itself stops no other."""
import contextlib
import importlib.util
import io
import os
import sys
import tempfile
from importlib.machinery import SourceFileLoader

sys.dont_write_bytecode = True
RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'xen', 'run')
# What a guest may say instead of what a check waits for.
TEXTS = ['', ' ', 'not ok', 'equal in  s', 'equal in s', 'equal in x s', 'equal in 1..2 s', 'equal in 1.5 s, so', 'sectors',
         '12', 'x sectors', '{}', '[]', '[1]', '[{}]', '{"a": 1}', 'null', '\x00']


# What the guests say when all is well, for checks that take figures or more out of it.
GOOD = {('user', 'init'): 'guest type PVH', ('l0', 'init'): 'guest type PV', ('user', 'off'): '',
        ('l1', 'no-broker'): 'does blanketd run?', ('l1', 'blanketd'): 'serving, as domain 1',
        ('l1', 'mint'): 'name vbd/51712', ('l1', 'again'): 'an endpoint of this name',
        ('l1', 'list'): '[{"name": "vbd/51712", "state": "live"}]',
        ('l1', 'other'): 'is no domain that lives'}
for _who in ('user', 'l0'):
    GOOD[_who, 'front'] = GOOD['l0', 'back-' + _who] = 'ok'
    GOOD[_who, 'disk'] = '65536 sectors'
    for _word in ['stock-read', 'stock-direct'] + ['%s-%u' % (way, n) for way in ('read', 'write') for n in (1, 3, 8)]:
        GOOD[_who, _word] = 'equal in 1.50 s'
GOOD_CHECKS = ['libxen-in-a-pvh-guest', 'libxen-in-dom0', 'libxen-maps-and-copies', 'user-mint']


def load():
    loader = SourceFileLoader('xen_run', RUN)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('xen_run', loader))
    loader.exec_module(module)
    for name in os.listdir(os.path.join(os.path.dirname(RUN), 'bed')):
        if name.endswith('.py') and name != '__init__.py':
            importlib.import_module('bed.' + name[:-3])  # whose checks are registered by that
    return module


class Said:
    """A boot in which everybody said `texts` whatever a check asks for, but for what is in `good`."""

    def __init__(self, disk, texts, good=None):
        self.disk, self.files, self.log, self.said, self.good = disk, disk, disk, texts, good or {}
        self.failure, self.marks, self.seconds, self.asked = '', [], 1.0, set()

    def texts(self, who, word):
        self.asked.add((who, word))
        return [self.good[who, word]] if (who, word) in self.good else self.said


class Bed:
    """As the run's, with a boot that is made up."""

    def __init__(self, made):
        self.made = made

    def boot(self, _job):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def boot_again(self, _job):
        return False


def judge(run, check, boot):
    """'' if the check holds, 'found' if it says why not; anything else is its own fault."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            check.judge(boot)
        return ''
    except (run.checks.Wrong, run.Broken):
        return 'found'
    except Exception as error:  # pylint: disable=broad-exception-caught
        return repr(error)


def malformed_among_good(run, disk):
    """Marks that a check doesn't judge, where all the others are what they are to be."""
    bad, count = [], 0
    for name in GOOD_CHECKS:
        check = run.checks.CHECKS[name]
        boot = Said(disk, [], GOOD)
        if judge(run, check, boot):
            bad.append('%s: refuses what is good' % name)
        for mark in sorted(boot.asked):
            for texts in [[], ['a', 'b']] + [[text] for text in TEXTS]:
                rest = {key: text for key, text in GOOD.items() if key != mark}
                outcome = judge(run, check, Said(disk, texts, rest))
                count += 1
                if outcome != 'found' and not (outcome == '' and GOOD[mark] == '' and len(texts) == 1):
                    bad.append('%s: %s with %r: %s' % (name, mark, texts, outcome or 'passes'))
    return count, bad


def malformed(run, disk):
    """Checks that don't answer a malformed mark with a finding."""
    bad = []
    booted = [check for check in run.checks.CHECKS.values() if check.job]
    for texts in [[]] + [[text] for text in TEXTS] + [['a', 'b']]:
        for check in booted:
            outcome = judge(run, check, Said(disk, texts))
            if outcome != 'found':
                bad.append('%s, with %r: %s' % (check.name, texts, outcome or 'passes'))
    return len(booted) * (len(TEXTS) + 2), bad


def outcomes(run, made, judges):
    """(exit status, what is printed) of a run of checks that do `judges`."""
    wanted = [run.checks.Check(judge, run.libxen.JOB, None) for judge in judges]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = run.run_checks(wanted, Bed(made))
    return status, out.getvalue()


def faults(run):
    """What a run does with a check, or a boot, that ends with an exception that nobody expects."""
    def breaks(_boot):
        """A check that fails itself."""
        return [][0]

    def holds(_boot):
        """A check that holds."""

    bad = []
    status, text = outcomes(run, Said('', []), [breaks, holds])
    if status != 1 or text != 'FAIL breaks: the check itself failed: IndexError: list index out of range\n' \
                              'PASS holds\n1 passed, 1 failed, 0 skipped\n':
        bad.append('a check that fails itself: %d, %s' % (status, text))
    status, text = outcomes(run, OSError('no space'), [holds, holds])
    if status != 1 or text.count('FAIL holds') != 2 or not text.endswith('0 passed, 2 failed, 0 skipped\n'):
        bad.append('a boot that fails by itself: %d, %s' % (status, text))
    return 2, bad


TABLE = """| MiB/s | xen-blkfront | without readahead | 1 level | 3 levels | 8 levels |
| --- | ---: | ---: | ---: | ---: | ---: |
| PVH guest, read | 21.3 | 21.3 | 21.3 | 21.3 | 21.3 |
| PVH guest, write | | | 1.3 | 1.3 | 1.3 |
| L0's dom0, read | - | - | - | - | - |
| L0's dom0, write | | | - | - | - |
"""


def figures(run, disk):
    """What the run prints of boots, of which some have no figures."""
    class Images:
        stopping = None

        @staticmethod
        def images_of(_job):
            return None

    def printed(boots):
        made = iter(boots)
        real, run.machine.boot = run.machine.boot, lambda *_: next(made)
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                return run.print_figures(Images(), len(boots)), out.getvalue()
        finally:
            run.machine.boot = real

    bad = []
    only_user = {key: text for key, text in GOOD.items() if key[0] == 'user'}
    status, text = printed([Said(disk, [], only_user), Said(disk, ['x'])])
    if status != 0 or TABLE not in text or 'Medians of 1 and 0 boots' not in text or text.count('no figures') != 2:
        bad.append('figures: %d, %s' % (status, text))
    status, text = printed([Said(disk, [])])
    if status != 1 or '|' in text:
        bad.append('no figures: %d, %s' % (status, text))
    return 2, bad


def main():
    run = load()
    with tempfile.NamedTemporaryFile() as disk:
        for number in range(run.machine.DISK_SECTORS):
            disk.write(run.machine.sector(number))
        disk.flush()
        path = run.machine.Path(disk.name)
        counted = [malformed(run, path), malformed_among_good(run, path), faults(run),
                   figures(run, path)]
    bad = [line for _, lines in counted for line in lines]
    print('\n'.join(bad))
    print('%d passed, %d failed, 0 skipped' % (sum(count for count, _ in counted) - len(bad), len(bad)))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
