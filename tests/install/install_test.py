#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Install blanket to a directory of the test's own, and use it as somebody who has only that would: its
symbols are what the headers declare, each header is there and compiles, and examples/embed.c builds with
pkg-config and runs. docs/embedding.md shows nothing that isn't in the example."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ['BLANKET_SOURCE'])
BUILD = Path(os.environ['BLANKET_BUILD'])
DECLARED = re.compile(r'\bBLANKET_API\b[^;{}]*?\b(blanket_\w+)\s*\(')
COMMENT = re.compile(r'/\*.*?\*/', re.S)
NEEDED = {'libc.so.6', 'libxengnttab.so.1', 'libxenevtchn.so.1', 'libxencall.so.1'}
EXPECTED = """backend: reads "hello from the guest"
guest: back while it is mapped? -16
guest: and now? 0
guest: reads "hello from the backend"
host: nothing of the guest is left
"""
FAILED = []


def expect(condition, text):
    if not condition:
        FAILED.append(text)
        print('FAILED: ' + text)


def run(command, **more):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False, **more)
    if done.returncode:
        print('%s ended with %d:\n%s' % (' '.join(map(str, command)), done.returncode, done.stdout))
        sys.exit(1)
    return done.stdout


def declared(folder):
    """{function: the header that declares it}"""
    found = {}
    for header in sorted(folder.rglob('*.h')):
        for name in DECLARED.findall(COMMENT.sub('', header.read_text())):
            found[name] = header.relative_to(folder)
    return found


def check_symbols(library, headers):
    """What is exported is what is declared, under the one version."""
    functions = declared(headers)
    exported, versions = set(), set()
    for line in run(['nm', '-D', '--defined-only', library]).splitlines():
        kind, name = line.split()[-2:]
        name, _, version = name.partition('@@')
        if kind == 'A':
            continue
        exported.add(name)
        versions.add(version)
    expect(len(functions) > 50, 'only %d functions are declared' % len(functions))
    for name in sorted(set(functions) - exported):
        expect(False, '%s declares %s, which isn\'t exported' % (functions[name], name))
    for name in sorted(exported - set(functions)):
        expect(False, '%s is exported, and no header declares it' % name)
    expect(versions == {'BLANKET_0.1'}, 'versions of symbols: %s' % sorted(versions))
    dynamic = run(['readelf', '-d', library])
    expect('soname: [libblanket.so.0]' in dynamic, 'the SONAME isn\'t libblanket.so.0')
    needed = set(re.findall(r'NEEDED.*\[(.*)\]', dynamic))
    expect(needed <= NEEDED, 'the library needs %s' % sorted(needed - NEEDED))


def check_headers(headers, flags):
    """Each public header is there, but the simulation's; it compiles alone with pkg-config's flags."""
    public = {path.relative_to(SOURCE / 'include') for path in (SOURCE / 'include').rglob('*.h')}
    there = {path.relative_to(headers.parent) for path in headers.rglob('*.h')}
    missing = {str(path) for path in public - there if path.parent.name != 'port'}
    expect(not missing, 'not installed: %s' % sorted(missing))
    expect(Path('blanket/port/root.h') in there, 'the provider\'s header isn\'t installed')
    for path in sorted(there):
        run(['cc', '-std=gnu11', '-Wall', '-Werror', '-fsyntax-only', '-x', 'c', '-', *flags],
            input='#include <%s>\n' % path)


def check_document(example):
    """What docs/embedding.md shows of the example is in it, line by line and in its order."""
    text = (SOURCE / 'docs' / 'embedding.md').read_text()
    blocks = re.findall(r'```c\n(.*?)```', text, re.S)
    expect(len(blocks) >= 3, 'docs/embedding.md shows %d pieces of code' % len(blocks))
    for block in blocks:
        expect(block in example, 'docs/embedding.md shows what isn\'t in the example:\n' + block)
    lines = example.count('\n')
    expect(lines < 200, 'examples/embed.c has %d lines' % lines)


def main():
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--tags', 'library,devel', '--destdir', root])
        pc = next(root.rglob('blanket.pc'))
        library = next(root.rglob('libblanket.so')).resolve()
        headers = next(root.rglob('blanket/wire.h')).parent
        env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(root))
        flags = run(['pkg-config', '--cflags', '--libs', 'blanket'], env=env).split()
        check_symbols(library, headers)
        check_headers(headers, flags)
        example = SOURCE / 'examples' / 'embed.c'
        check_document(example.read_text())
        program = root / 'embed'
        run(['cc', '-Wall', '-Wextra', '-Werror', example, '-o', program, *flags])
        output = run([program], env=dict(os.environ, LD_LIBRARY_PATH=str(library.parent)))
        expect(output == EXPECTED, 'the example says something else:\n' + output)
        linked = run(['readelf', '-d', program])
        expect('libblanket.so.0' in linked, 'the example isn\'t linked with the installed library')
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
