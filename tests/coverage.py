#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py SUMMARY MIN: judges gcovr's json summary: MIN per cent of all branches must be taken.

Prints each room's share and the files that are below MIN, then "N passed, N failed, N skipped".
"""
import json
import os
import sys


def share(taken, total):
    return '%5.1f %% (%d of %d)' % (100.0 * taken / total if total else 100.0, taken, total)


def main(path, minimum):
    with open(path, encoding='utf-8') as handle:
        summary = json.load(handle)
    rooms, below = {}, []
    for entry in summary['files']:
        taken, total = entry['branch_covered'], entry['branch_total']
        room = rooms.setdefault(os.path.dirname(entry['filename']), [0, 0])
        room[0] += taken
        room[1] += total
        if 100 * taken < minimum * total:
            below.append((entry['filename'], taken, total))
    for room, (taken, total) in sorted(rooms.items()):
        print('%-35s %s' % (room, share(taken, total)))
    for name, taken, total in sorted(below):
        print('  below: %-26s %s' % (name.replace('src/', ''), share(taken, total)))
    taken = sum(room[0] for room in rooms.values())
    total = sum(room[1] for room in rooms.values())
    if not total:
        print('SKIP coverage: the core has no branch')
        print('0 passed, 0 failed, 1 skipped')
        return 0
    good = 100 * taken >= minimum * total
    print('branches of the core: %s, at least %d %%' % (share(taken, total), minimum))
    if not good:
        print('FAIL branch coverage')
    print('%d passed, %d failed, 0 skipped' % (good, not good))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
