#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tally.py LOG...: adds up what meson's testlog.json files say.

Prints a line for each test that failed or was skipped (and why), then "N passed, N failed, N skipped".
A program counts as the number of checks that it reports: cmocka's summary, or a last line of that same
form; otherwise as one. A program that fails counts as one failure at least, whatever it reports.
"""
import json
import re
import sys

TOTAL = re.compile(r'^(\d+) passed, (\d+) failed, (\d+) skipped$', re.M)
CMOCKA = re.compile(r'^\[  (PASSED |FAILED |SKIPPED) \] (?:.*: )?(\d+) test\(s\)', re.M)
KIND = {'PASSED ': 0, 'FAILED ': 1, 'SKIPPED': 2}


def reported(text):
    """[passed, failed, skipped] as the program's own output says, or None."""
    totals = TOTAL.findall(text)
    if totals:
        return [int(number) for number in totals[-1]]
    counts = [0, 0, 0]
    for kind, number in CMOCKA.findall(text):
        counts[KIND[kind]] += int(number)
    return counts if any(counts) else None


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else 'no output'


def count(test):
    """[passed, failed, skipped] for one record of the log, and the lines to print about it."""
    text = test.get('stdout', '') + '\n' + test.get('stderr', '')
    name = test['name'].split(' / ')[-1]
    if test['result'] in ('SKIP', 'IGNORED'):
        return [0, 0, 1], ['SKIP %s: %s' % (name, last_line(text))]
    counts = reported(text)
    if test['result'] == 'OK':
        counts = counts or [1, 0, 0]
        lines = ['SKIP in %s: %d' % (name, counts[2])] if counts[2] else []
        if counts[1]:
            lines.append('FAIL %s: it reports a failure but ends with success' % name)
        return counts, lines
    counts = counts or [0, 0, 0]
    counts[1] = max(counts[1], 1)
    return counts, ['FAIL %s (%s)' % (name, test['result'])] + \
        ['    ' + line for line in text.splitlines()[-60:] if line.strip()]


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        with open(path, encoding='utf-8', errors='replace') as log:
            for record in log:
                counts, lines = count(json.loads(record))
                total = [a + b for a, b in zip(total, counts)]
                for line in lines:
                    print(line)
    print('%d passed, %d failed, %d skipped' % tuple(total))
    return 1 if total[1] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
