#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must not stand in any file: paths of somebody's machine, hosts of somebody's network, and marks of
work left undone. And what must: the licence, in the first three lines of each source file."""
import os
import re
import sys

import rule

# Hosts that a reader anywhere can reach, and that we have reason to name.
HOSTS = {'github.com', 'xenbits.xen.org', 'xenbits.xenproject.org', 'lists.xenproject.org', 'xenproject.org',
         'lists.xen.org', 'wiki.xenproject.org', 'www.kernel.org', 'lore.kernel.org', 'spdx.org',
         'developercertificate.org', 'spinroot.com', 'dl.acm.org', 'www.usenix.org', 'doi.org',
         'cmocka.org', 'mesonbuild.com', 'llvm.org', 'www.youtube.com', 'www.debian.org',
         'snapshot.debian.org', 'deb.debian.org', 'security.debian.org', 'docs.kernel.org'}
RULES = [
    ('a path of one machine', re.compile(r'(?<![\w.}$*-])/(?:work|root|home|tmp)/[\w$.-]')),
    ('an address of one network', re.compile(r'\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?::\d+)?\b'
                                             r'|\b[\w-]+\.(?:internal|corp|lan)\b')),
    ('work left undone', re.compile(r'\b(?:TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b')),
]
# What runs inside the virtual machines of the tests has their directories.
GUESTS = 'tests/xen/'
URL = re.compile(r'\b(?:https?|git|ftp)://([^/\s:"\'>)\]]+)')
BINARY = ('.png', '.jpg', '.gz', '.xz', '.img', '.pyc')
LICENSED = ('.c', '.h', '.py', '.sh', '.pml', 'meson.build', 'meson_options.txt', '.map')


def needs_licence(path, text):
    return path.endswith(LICENSED) or text.startswith('#!')


def check(root):
    findings, count = [], 0
    for path in rule.files(root):
        if path.endswith(BINARY) or path.startswith('tests/fuzz/corpus/') or os.path.islink(os.path.join(root, path)):
            continue
        text = rule.read(root, path)
        count += 1
        if needs_licence(path, text) and 'SPDX-License-Identifier: MIT' not in '\n'.join(text.split('\n')[:3]):
            findings.append('%s: no licence (SPDX-License-Identifier: MIT) at its top' % path)
        for number, line in enumerate(text.split('\n'), 1):
            for title, pattern in RULES:
                match = pattern.search(line)
                if match and not (path.startswith(GUESTS) and pattern is RULES[0][1]
                                  and not match.group(0).startswith('/wo' 'rk')):
                    findings.append('%s:%d: %s: %s' % (path, number, title, match.group(0)))
            for host in URL.findall(line):
                if host.split('@')[-1] not in HOSTS:
                    findings.append('%s:%d: a host that words.py doesn\'t know: %s' % (path, number, host))
    return count, findings


SAMPLES = [
    ('all is well', {'a.c': rule.LICENCE + '/* see https://xenbits.xen.org/docs, ${TMPDIR:-/tmp}/x */\n',
                     'README.md': 'read me\n'}, None),
    ('no licence', {'a.c': 'int x;\n'}, 'no licence'),
    ('a script without', {'run': '#!/bin/sh\n'}, 'no licence'),
    ('a machine', {'a.md': 'see /wo' + 'rk/main/x\n'}, 'a path of one machine'),
    ('a temporary file', {'a.md': '"/tm' + 'p/x"\n'}, 'a path of one machine'),
    ('a temporary file in a guest', {'tests/xen/a.md': '/tm' + 'p/x\n'}, None),
    ('a machine, in a guest', {'tests/xen/a.md': '/wo' + 'rk/main/x\n'}, 'a path of one machine'),
    ('a host', {'a.md': 'from https:/' + '/mirror.example.com/debian\n'}, 'a host that'),
    ('an address', {'a.md': 'proxy at 10.0' + '.2.3:8080\n'}, 'an address'),
    ('a name', {'a.md': 'proxy.inter' + 'nal\n'}, 'an address'),
    ('undone', {'a.md': 'TO' + 'DO: all\n'}, 'undone'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
