#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The code is as clang-format (.clang-format) has it, but for the blanks before a comment at a line's end,
which may be aligned by hand. For ./dev lint, not for the tests: versions of clang-format differ.

format.py            what differs, as a diff
format.py FILE...    the same for these files
"""
import difflib
import re
import subprocess
import sys

import rule

PLACES = ['include', 'src', 'tools', 'examples', 'bench', 'tests']
BLANKS = re.compile(r'(\S) +(/\*.*\*/)$')


def without_alignment(text):
    return [BLANKS.sub(r'\1 \2', line) for line in text.split('\n')]


def main(paths):
    bad = 0
    for path in paths or rule.files('.', PLACES, ['.c', '.h']):
        done = subprocess.run(['clang-format', path], stdout=subprocess.PIPE, universal_newlines=True, check=True)
        difference = list(difflib.unified_diff(without_alignment(rule.read('.', path)),
                                               without_alignment(done.stdout), path, 'formatted', lineterm='', n=1))
        if difference:
            bad += 1
            print('\n'.join(difference))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
