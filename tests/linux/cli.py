#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`blanket run --below libxen` where there is no Xen: each refusal is one line that says what is missing."""
import os
import subprocess
import sys

CASES = [
    # (exit, what the line says, arguments)
    (1, "/dev/xen/gntalloc: it isn't there", ['--below', 'libxen', '--disk', 'vbd/51712', '--read-to', 'none.img']),
    (2, 'over libxen there is one guest', ['--below', 'libxen', '--guests', '2', '--disk', 'vbd/51712',
                                           '--read-to', 'none.img']),
    (2, '--below takes libxen, not "xen"', ['--below', 'xen', '--disk', 'vbd/51712', '--read-to', 'none.img']),
    (2, 'none.img', ['--below', 'libxen', '--disk', 'vbd/51712', '--write-from', 'none.img']),
]


def main(program):
    if os.path.exists('/dev/xen/gntalloc'):
        print('this machine is a domain of Xen')
        return 77
    failed = 0
    for code, says, arguments in CASES:
        done = subprocess.run([program, 'run', *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, check=False, timeout=60)
        if (done.returncode != code or done.stdout or done.stderr.count('\n') != 1 or says not in done.stderr or
                os.path.exists('none.img')):
            failed += 1
            print('%s: exit %d, not %d:\n%s' % (' '.join(arguments), done.returncode, code, done.stderr))
    print('%d passed, %d failed, 0 skipped' % (len(CASES) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
