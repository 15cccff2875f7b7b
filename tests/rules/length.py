#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Functions of at most 70 lines, files of at most 500 (tests: 1000). What has a reason to be longer
stands in deviations.txt, which is held to the same: an entry that isn't needed is a finding."""
import os
import re
import sys

import rule

FUNCTION_MAX = 70
FILE_MAX = 500
TEST_FILE_MAX = 1000
PLACES = ['include', 'src', 'tools', 'examples', 'bench', 'tests']
NAME = re.compile(r'([A-Za-z_]\w*)\s*\(')


def functions(text):
    """(name, lines from its first to its closing brace) of each, in house style: braces in column 0."""
    lines = text.split('\n')
    start = None
    for number, line in enumerate(lines):
        if line == '{':
            start = number
        elif line == '}' and start is not None:
            head = start
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].startswith(('}', '#', ' */')) \
                    and not lines[head - 1].endswith(';'):
                head -= 1
            names = [n for n in NAME.findall(' '.join(lines[head:start])) if n not in ('__attribute__', 'format')]
            yield (names[0] if names else 'line %d' % start), number - head + 1
            start = None


def deviations(root):
    """{path or path:function: (the limit, the reason)}"""
    path = 'tests/rules/deviations.txt'
    allowed, findings = {}, []
    if not os.path.exists(os.path.join(root, path)):
        return allowed, findings
    for line in rule.read(root, path).splitlines():
        if line.strip() and not line.startswith('#'):
            words = line.split(None, 2)
            if len(words) < 3 or not words[1].isdigit():
                findings.append('%s: not "what limit reason": %s' % (path, line))
            else:
                allowed[words[0]] = int(words[1])
    return allowed, findings


def check(root):
    allowed, findings = deviations(root)
    used = set()
    paths = rule.files(root, PLACES, ['.c', '.h'])

    def judge(what, length, limit):
        if length > limit:
            used.add(what)
            if length > allowed.get(what, limit):
                findings.append('%s: %d lines, at most %d' % (what, length, allowed.get(what, limit)))

    for path in paths:
        text = rule.read(root, path)
        judge(path, text.count('\n'), TEST_FILE_MAX if path.startswith('tests/') else FILE_MAX)
        for name, length in functions(text):
            judge('%s:%s' % (path, name), length, FUNCTION_MAX)
    findings += ['%s: its deviation isn\'t needed any more' % what for what in sorted(set(allowed) - used)]
    return len(paths), findings


def function(lines, name='f'):
    return 'int %s(void)\n{\n%s}\n' % (name, '    x();\n' * (lines - 3))


LONG = {'src/base/a.c': function(71)}
SAMPLES = [
    ('all is well', {'src/base/a.c': function(70) * 7}, None),
    ('a long function', LONG, 'src/base/a.c:f: 71 lines'),
    ('a long head', {'src/base/a.c': 'int\nf(void)\n{\n%s}\n' % ('    x();\n' * 67)}, 'a.c:f: 71 lines'),
    ('a long file', {'src/base/a.c': 'int x;\n' * 501}, 'src/base/a.c: 501 lines'),
    ('a long test', {'tests/unit/a.c': 'int x;\n' * 1001}, 'tests/unit/a.c: 1001 lines'),
    ('a deviation', dict(LONG, **{'tests/rules/deviations.txt': 'src/base/a.c:f 71 a table\n'}), None),
    ('a deviation that is too small', dict(LONG, **{'tests/rules/deviations.txt': 'src/base/a.c:f 70 a table\n'}),
     '71 lines'),
    ('a deviation without reason', dict(LONG, **{'tests/rules/deviations.txt': 'src/base/a.c:f 71\n'}),
     'not "what limit reason"'),
    ('a deviation too many', {'src/base/a.c': function(70), 'tests/rules/deviations.txt': 'src/base/a.c:f 71 a\n'},
     'isn\'t needed'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
