#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/tally.py counts right, and can't take a failure for a success."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tally  # noqa: E402 (found through the path above)

CMOCKA = '[==========] Running 4 test(s).\n[  PASSED  ] 2 test(s).\n[  SKIPPED ] t: 1 test(s), listed below:\n' \
         '[  FAILED  ] t: 1 test(s), listed below:\n'
# [meson's result, output, the counts expected]
CASES = [
    ('OK', 'fine', [1, 0, 0]),
    ('OK', '12 passed, 0 failed, 3 skipped\n', [12, 0, 3]),
    ('OK', '1 passed, 0 failed, 0 skipped\n5 passed, 0 failed, 0 skipped\n', [5, 0, 0]),
    ('OK', '[  PASSED  ] 7 test(s).\n', [7, 0, 0]),
    ('OK', '[  PASSED  ] 7 test(s).\n[  PASSED  ] 2 test(s).\n', [9, 0, 0]),
    ('OK', '[  PASSED  ] tests: 7 test(s).\n', [7, 0, 0]),
    ('FAIL', CMOCKA, [2, 1, 1]),
    ('FAIL', '9 passed, 0 failed, 0 skipped\n', [9, 1, 0]),
    ('FAIL', '', [0, 1, 0]),
    ('TIMEOUT', '3 passed, 0 failed, 0 skipped\n', [3, 1, 0]),
    ('ERROR', 'died', [0, 1, 0]),
    ('OK', '3 passed, 2 failed, 0 skipped\n', [3, 2, 0]),
    ('SKIP', 'no spin here', [0, 0, 1]),
]


def main():
    bad = 0
    for result, output, expected in CASES:
        counts, _ = tally.count({'name': 'blanket / t', 'result': result, 'stdout': output})
        if counts != expected:
            bad += 1
            print('%s with %r: %s, expected %s' % (result, output, counts, expected))
    print('%d passed, %d failed, 0 skipped' % (len(CASES) - bad, bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
