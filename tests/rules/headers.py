#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone in C11, C99 and C++98, a room's or port's own header alone in C11."""
import os
import sys

import rule

STRICT = ['-Wall', '-Wextra', '-pedantic', '-Werror', '-fsyntax-only']
PUBLIC = [['gcc', '-x', 'c', '-std=c11'], ['gcc', '-x', 'c', '-std=c99'],
          ['g++', '-x', 'c++', '-std=c++98'],
          ['gcc', '-x', 'c', '-std=c11', '-ffreestanding']]
OWN = [['gcc', '-x', 'c', '-std=c11', '-ffreestanding']]
PORT = [['gcc', '-x', 'c', '-std=c11']]


def arguments(root, path):
    """(compilers, include arguments, how it is included) for one header"""
    parts = path.split('/')
    public = ['-I' + os.path.join(root, 'include')]
    if parts[0] == 'include':
        return PUBLIC, public, '<%s>' % '/'.join(parts[1:])
    name = '"%s"' % parts[-1]
    if parts[1] in rule.ROOMS:
        return OWN, rule.include_args(root, parts[1]), name
    return PORT, public + ['-I' + os.path.join(root, os.path.dirname(path))], name


def check(root):
    findings, known = [], set()
    paths = [path for path in rule.files(root, ['include', 'src'], ['.h'])
             if not path.startswith(rule.BUILT_ELSEWHERE)]
    for path in paths:
        compilers, includes, name = arguments(root, path)
        for compiler in compilers:
            # Twice, so that a missing guard shows. A declaration, since C forbids an empty file.
            done, output = rule.run(compiler + STRICT + includes + ['-'],
                                    input='#include %s\n#include %s\nextern int blanket_alone;\n' % (name, name))
            # One that many others include is reported once.
            errors = [line for line in output.split('\n') if 'error:' in line]
            if not done and not known.issuperset(errors):
                findings.append('%s alone with %s:\n%s' % (path, ' '.join(compiler), output))
                known.update(errors)
    return len(paths), findings


GUARD = '#ifndef G\n#define G\n%s#endif\n'
SAMPLES = [
    ('all is well', {'include/blanket/a.h': GUARD % 'struct a { int b; };\n',
                     'src/base/b.h': GUARD.replace('G', 'H') % '#include <blanket/a.h>\nstruct b { struct a a; };\n'},
     None),
    ('needs another first', {'include/blanket/a.h': GUARD % 'extern uint32_t a;\n'}, 'a.h alone'),
    ('no guard', {'include/blanket/a.h': 'struct a { int b; };\n'}, 'a.h alone'),
    ('not C++', {'include/blanket/a.h': GUARD % 'extern int class;\n'}, 'alone with g++'),
    ('not C99', {'include/blanket/a.h': GUARD % '_Static_assert(1, "");\n'}, 'std=c99'),
    ('not C++98', {'include/blanket/a.h': GUARD % 'enum a { B, };\n'}, 'c++98'),
    ('a room\'s own', {'src/acl/a.h': GUARD % 'extern struct b c;\nextern nothing d;\n'}, 'src/acl/a.h alone'),
    ('a room\'s, of a higher one', {'src/acl/a.h': GUARD % '#include "b.h"\n', 'src/hypercall/b.h': GUARD % ''},
     'src/acl/a.h alone'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
