#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each C file is named in a meson.build at or above it (a test that isn't doesn't run), and each private
header of the core has a name of its own, which no header of C has: rooms see each other's by file name."""
import os
import re
import sys

import rule

PLACES = ['src', 'tools', 'examples', 'bench', 'tests/unit', 'tests/sim', 'tests/fuzz', 'tests/cli']
STANDARD = {'assert', 'complex', 'ctype', 'errno', 'fenv', 'float', 'inttypes', 'iso646', 'limits', 'locale',
            'math', 'setjmp', 'signal', 'stdalign', 'stdarg', 'stdatomic', 'stdbool', 'stddef', 'stdint',
            'stdio', 'stdlib', 'stdnoreturn', 'string', 'tgmath', 'threads', 'time', 'uchar', 'wchar', 'wctype'}
COMMENT = re.compile(r'#.*')


def is_listed(root, path):
    directory = os.path.dirname(path)
    while directory:
        build = os.path.join(directory, 'meson.build')
        if os.path.exists(os.path.join(root, build)):
            name = os.path.relpath(path, directory)
            text = COMMENT.sub('', rule.read(root, build))
            if "'%s'" % name in text or ("'%s'" % name[:-2] in text and '@0@.c' in text):
                return True
        directory = os.path.dirname(directory)
    return False


def check(root):
    findings, owners = [], {}
    paths = rule.files(root, PLACES, ['.c', '.h'])
    for path in paths:
        if path.endswith('.c') and not path.startswith(rule.BUILT_ELSEWHERE) and not is_listed(root, path):
            findings.append('%s: no meson.build lists it' % path)
        if path.endswith('.h') and path.split('/')[1] in rule.ROOMS:
            name = os.path.basename(path)
            if name[:-2] in STANDARD:
                findings.append('%s: <%s> is a header of C' % (path, name))
            if name in owners:
                findings.append('%s: %s has this name too' % (path, owners[name]))
            owners[name] = path
    return len(paths), findings


SAMPLES = [
    ('all is well', {'src/base/meson.build': "files('a.c')", 'src/base/a.c': '', 'src/base/a.h': '',
                     'tests/unit/meson.build': "['x', files('x.c', 'deep/y.c')]",
                     'tests/unit/x.c': '', 'tests/unit/deep/y.c': ''}, None),
    ('not listed', {'src/base/meson.build': "files('a.c')", 'src/base/b.c': ''}, 'no meson.build lists'),
    ('in a comment', {'src/base/meson.build': "# 'b.c'", 'src/base/b.c': ''}, 'no meson.build lists'),
    ('one name twice', {'src/base/a.h': '', 'src/acl/a.h': ''}, 'has this name too'),
    ('a name of C', {'src/base/errno.h': ''}, 'is a header of C'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
