#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The core as Xen 4.17 compiles it: gnu99, no headers but ours, Xen's warnings and code generation. Then
the objects: no float, MMX or SSE register (the hypervisor would take #NM), branches and returns through
Xen's thunks only, an endbr64 where a function's address is taken (BLANKET_CALLBACK is missing there
otherwise: a #CP on processors with indirect branch tracking), no frame above 512 bytes."""
import os
import re
import sys
import tempfile

import rule

# From the command of a Xen C file, less what needs Xen's own headers (-include xen/config.h, -D__XEN__).
XEN = ['-m64', '-fno-strict-aliasing', '-std=gnu99', '-Wall', '-Wstrict-prototypes', '-Wno-unused-but-set-variable',
       '-O2', '-fomit-frame-pointer', '-nostdinc', '-fno-builtin', '-fno-common', '-Werror', '-Wredundant-decls',
       '-Wno-pointer-arith', '-Wdeclaration-after-statement', '-Wvla', '-Wnested-externs', '-ffunction-sections',
       '-fdata-sections', '-mindirect-branch=thunk-extern', '-mindirect-branch-register',
       '-mfunction-return=thunk-extern', '-fno-jump-tables', '-msoft-float', '-fno-pie', '-fno-stack-protector',
       '-fno-exceptions', '-fno-asynchronous-unwind-tables', '-mno-red-zone', '-fpic', '-mno-mmx', '-mno-sse',
       '-mskip-rax-setup', '-fcf-protection=branch', '-mmanual-endbr', '-mpreferred-stack-boundary=3',
       '-fvisibility=hidden', '-Wstack-usage=512', '-c']
ENV = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'xen_env.h')
THUNK = re.compile(r'^__x86_(indirect_thunk_\w+|return_thunk)$')
REGISTER = re.compile(r'%(?:[xyz]mm\d|mm\d|st\b)')
BAD_CONTROL = re.compile(r'\t(?:(?:bnd )?(?:call|jmp)q?\s+\*|(?:repz? )?retq?\b)')


def compile_one(root, source, target):
    room = source.split('/')[1]
    # Xen's public headers are where Xen's own tree has them: at public/.
    tree = os.path.join(os.path.dirname(target), 'tree')
    if not os.path.isdir(tree):
        os.mkdir(tree)
        os.symlink('/usr/include/xen', os.path.join(tree, 'public'))
    return rule.run(['gcc'] + XEN + ['-DBLANKET_ENV_HEADER="%s"' % ENV, '-isystem', tree] +
                    rule.include_args(root, room) + ['-o', target, os.path.join(root, source)])


def undefined(target):
    names = [line.split()[-1] for line in rule.run(['nm', '-u', target])[1].splitlines() if line.strip()]
    return [name for name in names if not name.startswith('blanket_') and not THUNK.match(name)
            and name not in rule.MEMORY_FUNCTIONS]


def read_code(listing):
    """From objdump -dr: findings in the instructions, {function: it starts with endbr64}, addresses taken."""
    findings, starts, taken, where, instruction = [], {}, set(), '?', ''
    for line in listing.splitlines():
        head = re.match(r'^[0-9a-f]+ <(\S+)>:$', line)
        moved = re.match(r'^\s+[0-9a-f]+: R_X86_64_\w+\s+(\S+)$', line)
        if head:
            where = head.group(1)
        elif moved and re.search(r'\t(?:lea|mov)', instruction):
            taken.add(function_of(moved.group(1)))
        elif not moved and '\t' in line:
            instruction = line
            starts.setdefault(where, 'endbr64' in line)
            if REGISTER.search(line):
                findings.append('%s uses a register that the hypervisor doesn\'t save: %s' % (where, line.strip()))
            elif BAD_CONTROL.search(line):
                findings.append('%s branches or returns past Xen\'s thunks: %s' % (where, line.strip()))
    return findings, starts, taken


def function_of(relocation):
    """The name in ".text.NAME-0x4" or "NAME+0x10"."""
    name = re.sub(r'[+-]0x[0-9a-f]+$', '', relocation)
    return name[len('.text.'):] if name.startswith('.text.') else name


def taken_in_data(listing):
    """From objdump -r: what tables point to."""
    taken, data = set(), False
    for line in listing.splitlines():
        head = re.match(r'^RELOCATION RECORDS FOR \[(\S+)\]:$', line)
        if head:
            data = not head.group(1).startswith(('.text', '.debug', '.eh_frame'))
        elif data and ' R_X86_64_' in line:
            taken.add(function_of(line.split()[-1]))
    return taken


def check(root):
    findings, starts, taken = [], {}, []
    sources = rule.core_sources(root)
    with tempfile.TemporaryDirectory() as into:
        for source in sources:
            target = os.path.join(into, source.replace('/', '_') + '.o')
            done, output = compile_one(root, source, target)
            if not done:
                findings.append('%s with Xen\'s flags:\n%s' % (source, output))
                continue
            code, own, addresses = read_code(rule.run(['objdump', '-dr', '--no-show-raw-insn', target])[1])
            findings += ['%s: %s' % (source, finding) for finding in code]
            findings += ['%s: needs %s' % (source, name) for name in undefined(target)]
            addresses |= taken_in_data(rule.run(['objdump', '-r', target])[1])
            # A static of this file first, or else a function of another.
            taken += [(source, name, own) for name in addresses]
            starts.update(own)
    for source, name, own in sorted(taken, key=lambda entry: entry[:2]):
        if not own.get(name, starts.get(name, True)):
            findings.append('%s: the address of %s is taken: it needs BLANKET_CALLBACK' % (source, name))
    return len(sources), findings


ENV_HEADER = {'include/blanket/env.h': '#include BLANKET_ENV_HEADER\n'}


def sample(text):
    return dict(ENV_HEADER, **{'src/base/a.c': '#include <blanket/env.h>\n' + text})


TABLE = 'struct o { int (*f)(int); };\nextern const struct o t;\nconst struct o t = {f};\n'
SAMPLES = [
    ('all is well', sample('static int BLANKET_CALLBACK f(int a)\n{\n    return a + 1;\n}\n' + TABLE +
                           'int blanket_f(const struct o *o, uint64_t a);\n'
                           'int blanket_f(const struct o *o, uint64_t a)\n{\n    return o->f((int)a);\n}\n'), None),
    ('no BLANKET_CALLBACK, in a table', sample('static int f(int a)\n{\n    return a + 1;\n}\n' + TABLE),
     'the address of f is taken'),
    ('no BLANKET_CALLBACK, in code', sample(
        'static int f(int a)\n{\n    return a + 1;\n}\nvoid g(int (**p)(int));\n'
        'void g(int (**p)(int))\n{\n    *p = f;\n}\n'), 'the address of f is taken'),
    ('a declaration after a statement', sample(
        'int f(int a);\nint f(int a)\n{\n    a++;\n    int b = a;\n    return b;\n}\n'), 'declaration'),
    ('a variable array', sample('int f(int a);\nvoid g(int *);\nint f(int a)\n{\n    int b[a];\n    g(b);\n'
                                '    return b[0];\n}\n'), 'variable length array'),
    ('C11 only', sample('int f(int a);\nint f(int a)\n{\n    return _Generic(a, int: 1)\n}\n'), 'Xen\'s flags'),
    ('a header of C', sample('#include <stdint.h>\n'), 'stdint.h'),
    ('a float', sample('float f(float a);\nfloat f(float a)\n{\n    return a * a;\n}\n'), 'a.c'),
    ('a large frame', sample('void g(char *);\nvoid f(void);\nvoid f(void)\n{\n    char b[600];\n    g(b);\n}\n'),
     'stack usage'),
    ('a library call', sample('int puts(const char *);\nint f(void);\nint f(void)\n{\n    return puts("");\n}\n'),
     'needs puts'),
    ('an indirect call', sample('void f(void (*g)(void));\nvoid f(void (*g)(void))\n{\n'
                                '    __asm__ volatile("call *%0" : : "r"(g));\n}\n'), 'past Xen\'s thunks'),
    ('a vector register', sample('void f(void);\nvoid f(void)\n{\n'
                                 '    __asm__ volatile("pxor %xmm1, %xmm1");\n}\n'), 'a register that'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
