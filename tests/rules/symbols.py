#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the core's objects need and have. Merged, they need memcpy, memmove, memset and memcmp only: also
with -O0, with clang, and in 32 bits, where a 64-bit division would call the compiler's library. No room
needs a symbol of a higher or a sibling room. Nothing is writable. Each global name begins with blanket_."""
import os
import re
import shutil
import sys
import tempfile

import rule

COMMON = ['-std=c11', '-ffreestanding', '-fvisibility=hidden', '-fno-pic', '-fno-stack-protector',
          '-fno-asynchronous-unwind-tables', '-c']
WRITABLE = 'bBdDCsSgG'


def variants():
    found = [('gcc -O2', ['gcc', '-O2']), ('gcc -O0', ['gcc', '-O0'])]
    if shutil.which('clang'):
        found.append(('clang -O2', ['clang', '-O2']))
    if rule.run(['gcc', '-m32', '-ffreestanding', '-x', 'c', '-c', '-o', os.devnull, '-'],
                stdin=open(os.devnull))[0]:
        found.append(('gcc -m32 -O2', ['gcc', '-m32', '-O2']))
    return found


def symbols(path):
    """{name: kind letter of nm}"""
    table = {}
    for line in rule.run(['nm', path])[1].splitlines():
        match = re.match(r'^[0-9a-f]* +(\w) (\S+)$', line)
        if match:
            table[match.group(2)] = match.group(1)
    return table


def compile_room(root, room, compiler, into):
    """(objects, findings)"""
    objects, findings = [], []
    for source in rule.files(root, ['src/' + room], ['.c']):
        target = os.path.join(into, source.replace('/', '_') + '.o')
        done, output = rule.run(compiler + COMMON + rule.include_args(root, room) +
                                ['-o', target, os.path.join(root, source)])
        if done:
            objects.append(target)
        else:
            findings.append('%s doesn\'t compile:\n%s' % (source, output))
    return objects, findings


def merge(objects, compiler, target):
    emulation = ['-m', 'elf_i386'] if '-m32' in compiler else []
    done, output = rule.run(['ld', '-r'] + emulation + ['-o', target] + objects)
    return [] if done else ['the objects don\'t merge: ' + output]


def needs(table):
    return {name for name, kind in table.items() if kind == 'U'}


def globals_of(table):
    return {name for name, kind in table.items() if kind.isupper() and kind != 'U'}


def check_with(root, title, compiler):
    findings, everything, tables = [], [], {}
    with tempfile.TemporaryDirectory() as into:
        for room in rule.ROOMS:
            objects, problems = compile_room(root, room, compiler, into)
            findings += problems
            merged = os.path.join(into, room + '.room')
            if objects and not problems:
                findings += merge(objects, compiler, merged)
                tables[room] = symbols(merged)
                everything += objects
        core = os.path.join(into, 'core')
        if everything and not findings:
            findings += merge(everything, compiler, core)
            findings += judge(symbols(core), tables)
    return len(everything), ['%s: %s' % (title, finding) for finding in findings]


def judge(core, rooms):
    findings = ['the core needs ' + name for name in sorted(needs(core) - rule.MEMORY_FUNCTIONS)]
    findings += ['%s is writable' % name for name, kind in sorted(core.items()) if kind in WRITABLE]
    findings += ['%s doesn\'t begin with blanket_' % name for name in sorted(globals_of(core))
                 if not name.startswith('blanket_')]
    for room, table in rooms.items():
        within = set(rule.MEMORY_FUNCTIONS)
        for lower in [room] + rule.ROOMS[room]:
            within |= globals_of(rooms.get(lower, {}))
        for name in sorted(needs(table) - within - (needs(core) - rule.MEMORY_FUNCTIONS)):
            findings.append('room %s needs %s of a room that it may not know' % (room, name))
    return findings


def check(root):
    count, findings = 0, []
    for title, compiler in variants():
        looked_at, found = check_with(root, title, compiler)
        count += looked_at
        findings += found
    return count, findings


MEMCPY = 'void *memcpy(void *, const void *, __SIZE_TYPE__);\n'
SAMPLES = [
    ('all is well', {
        'src/base/a.c': MEMCPY + 'void blanket_base_f(void *a, void *b, int n);\n'
                        'void blanket_base_f(void *a, void *b, int n) { memcpy(a, b, n); }\n',
        'src/acl/b.c': 'void blanket_base_f(void *, void *, int);\nvoid blanket_acl_g(void *a);\n'
                       'static const int table[] = {1, 2};\n'
                       'void blanket_acl_g(void *a) { blanket_base_f(a, (void *)table, 8); }\n'}, None),
    ('libc', {'src/base/a.c': 'int puts(const char *);\nvoid blanket_base_f(void) { puts("x"); }\n'},
     'the core needs puts'),
    ('a 64-bit division', {'src/base/a.c':
     'unsigned long long blanket_base_f(unsigned long long a, unsigned long long b) { return a / b; }\n'},
     'gcc -m32 -O2: the core needs __udivdi3'),
    ('a counter', {'src/base/a.c': 'int blanket_base_f(void) { static int n; return ++n; }\n'},
     'is writable'),
    ('a table that is not const', {'src/base/a.c':
     'int blanket_base_t[] = {1, 2};\n'}, 'blanket_base_t is writable'),
    ('a name without prefix', {'src/base/a.c': 'int f(void);\nint f(void) { return 1; }\n'},
     'f doesn\'t begin with blanket_'),
    ('a call upwards', {
        'src/base/a.c': 'int blanket_acl_g(void);\nint blanket_base_f(void) { return blanket_acl_g(); }\n',
        'src/acl/b.c': 'int blanket_acl_g(void) { return 1; }\n'}, 'room base needs blanket_acl_g'),
    ('a call to a sibling', {
        'src/grant/a.c': 'int blanket_evtchn_g(void);\nint blanket_grant_f(void) { return blanket_evtchn_g(); }\n',
        'src/evtchn/b.c': 'int blanket_evtchn_g(void) { return 1; }\n'}, 'room grant needs blanket_evtchn_g'),
    ('something that does not compile', {'src/base/a.c': 'int\n'}, 'doesn\'t compile'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
