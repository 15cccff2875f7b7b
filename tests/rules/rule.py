# SPDX-License-Identifier: MIT
"""What the rules share: finding the files, running a rule, and proving that it can fail.

A rule is a function check(root) that returns (how many things it looked at, its findings). A sample is
(what it shows, {path: text}, a part of the finding that is expected, or None if all is well).
"""
import os
import subprocess
import sys
import tempfile

# The rooms, and which other rooms' headers each may include: DESIGN's building, lowest first.
ROOMS = {
    'base': [],
    'acl': ['base'],
    'grant': ['base', 'acl'],
    'evtchn': ['base', 'acl'],
    'xenstore': ['base', 'acl'],
    'hypercall': ['base', 'acl', 'grant', 'evtchn', 'xenstore'],
    # Not of the core, but held to the same: the library that a guest links instead.
    'guest': [],
}
# Compiled in their host's own tree, with its headers (Xen's, a kernel's): by tests/xen, not by meson.
BUILT_ELSEWHERE = ('src/port/xen/', 'tools/linux-module/')
MEMORY_FUNCTIONS = {'memcpy', 'memmove', 'memset', 'memcmp'}
LICENCE = '/* SPDX-License-Identifier: MIT */\n'


def files(root, under=('',), ends=()):
    """Paths relative to root of the project's own files, sorted; build directories aren't ours."""
    found = set()
    for top in under:
        for directory, names, leaves in os.walk(os.path.join(root, top)):
            here = os.path.relpath(directory, root)
            names[:] = [n for n in names if n not in ('.git', '__pycache__', '.cache')
                        and not (here == '.' and n.startswith('build'))]
            for leaf in leaves:
                path = os.path.normpath(os.path.join(here, leaf))
                if not ends or path.endswith(tuple(ends)):
                    found.add(path)
    return sorted(found)


def core_sources(root):
    return files(root, ['src/' + room for room in ROOMS], ['.c'])


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as handle:
        return handle.read()


def run(command, **options):
    """(whether it succeeded, its output and errors together)"""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, errors='replace', check=False, **options)
    return done.returncode == 0, done.stdout


def include_args(root, room):
    """As src/meson.build gives them: the room's own headers, lower rooms', the public ones."""
    seen = [room] + ROOMS[room]
    return ['-I' + os.path.join(root, 'include')] + \
        ['-I' + os.path.join(root, 'src', name) for name in seen]


def try_samples(check, samples):
    failed = 0
    for title, tree, expected in samples:
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as handle:
                    handle.write(text)
            findings = check(root)[1]
        if expected is None:
            good = not findings
        else:
            good = any(expected in finding for finding in findings)
        if not good:
            failed += 1
            print('the rule misjudges "%s": expected %r, it found %r' % (title, expected, findings))
    print('%d passed, %d failed, 0 skipped' % (len(samples) - failed, failed))
    return failed


def main(check, samples):
    """RULE --self-test tries the samples; RULE [ROOT] checks the tree. 77: there is nothing to look at."""
    if sys.argv[1:] == ['--self-test']:
        return 1 if try_samples(check, samples) else 0
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get('BLANKET_SOURCE', '.')
    looked_at, findings = check(root)
    for finding in findings:
        print('\n'.join(finding.split('\n')[:8]))
    if findings:
        print('%d findings in %d' % (len(findings), looked_at))
        return 1
    print('%d looked at, nothing found' % looked_at)
    return 0 if looked_at else 77
