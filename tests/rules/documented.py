#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/abi.md has each verb of wire.h once, with its number, its right, and the items and flags that verbs.c
has for it; and each call error. docs/threat-model.md names tests that there are."""
import re
import sys

import rule

WIRE, TABLE, ERRNO = 'include/blanket/wire.h', 'src/hypercall/verbs.c', 'include/blanket/errno.h'
ABI, THREATS = 'docs/abi.md', 'docs/threat-model.md'
ROOMS = ['ENDPOINT', 'GRANT', 'EVTCHN', 'XENSTORE']
EFFECTS = ['QUERY', 'ACT', 'CREATE', 'DESTROY']
ROW = re.compile(r'^\| ([A-Z_]+)((?:, batch)?(?:; here)?) \| (0x[0-9a-f]{4}) \| (\w+) \| ([^|]*)\|', re.M)
# An item as the document says it: its type, and perhaps what it is for.
ITEM = re.compile(r'\b(%s)\b' % '|'.join(['FRAME', 'PEER_REF', 'PEER_PORT', 'GRANT', 'MAPPING', 'PORT', 'ENDPOINT',
                                          'ROOT', 'TRANSACTION', 'WATCH', 'REQUEST', 'COUNT', 'SPAN']))


def wire_verbs(text):
    """name: (number, right), as the macro BLANKET_VERB composes them"""
    rights = {name: int(bit) for name, bit in re.findall(r'BLANKET_RIGHT_(\w+) = (\d+)', text)}
    found = {}
    for name, room, effect, right, number in re.findall(
            r'BLANKET_VERB_(\w+) = BLANKET_VERB\((\w+), (\w+), (\w+), (\d+)\)', text):
        found[name] = (ROOMS.index(room) << 12 | EFFECTS.index(effect) << 10 | rights[right] << 5 | int(number), right)
    return found


def table_verbs(text):
    """name: (flags as the document has them, the items' types)"""
    found = {}
    for name, flags, items in re.findall(r'\{ BLANKET_VERB_(\w+), ([^,]+), \d+, \d, \d,\s*\{(.*?)\} \}', text, re.S):
        types = re.findall(r'PLAIN\((\w+)\)|(FRAME)\(|(PEER_REF)', items)
        found[name] = (('batch' if 'BATCH' in flags else '', 'HERE' in flags and not name.startswith('ENDPOINT')),
                       [''.join(one) for one in types])
    return found


def check_abi(root):
    wire, table = wire_verbs(rule.read(root, WIRE)), table_verbs(rule.read(root, TABLE))
    text, findings = rule.read(root, ABI), []
    rows = {}
    for name, flags, number, right, items in ROW.findall(text):
        if name in rows:
            findings.append('%s: %s is there twice' % (ABI, name))
        rows[name] = True
        says = (int(number, 16), right)
        if name not in wire or says != wire[name]:
            findings.append('%s: %s is %s, not %s' % (ABI, name, wire.get(name), says))
        has = (('batch' if 'batch' in flags else '', 'here' in flags), ITEM.findall(re.sub(r'\([^)]*\)', '', items)))
        if name in table and has != table[name]:
            findings.append('%s: %s has %s, not %s' % (ABI, name, table[name], has))
    findings += ['%s: %s is missing' % (ABI, name) for name in wire if name not in rows or name not in table]
    findings += ['%s: the error %s is missing' % (ABI, name)
                 for name in re.findall(r'^ +BLANKET_(E\w+) = ', rule.read(root, ERRNO), re.M)
                 if not re.search(r'\b%s\b' % name, text)]
    return len(wire), findings


def check_threats(root):
    """`tests/x/y.c: name, name` in a cell: each of them is in that file."""
    findings, count = [], 0
    for path, names in re.findall(r'`((?:tests|models)/[\w/-]+\.\w+)(?::\s+([\w,\s]+))?`', rule.read(root, THREATS)):
        try:
            text = rule.read(root, path)
        except OSError:
            findings.append('%s: there is no %s' % (THREATS, path))
            continue
        for name in re.findall(r'\w+', names):
            count += 1
            if not re.search(r'\b%s\b' % re.escape(name), text):
                findings.append('%s: %s has no test %s' % (THREATS, path, name))
    return count, findings


def check(root):
    verbs, findings = check_abi(root)
    tests, more = check_threats(root)
    return verbs + tests, findings + more


GOOD = {
    WIRE: 'BLANKET_RIGHT_GRANT_MAP = 5,\nBLANKET_VERB_GRANT_MAP = BLANKET_VERB(GRANT, CREATE, GRANT_MAP, 4),\n',
    TABLE: '{ BLANKET_VERB_GRANT_MAP, BATCH | BLANKET_VERB_OVERLAY, 3, 2, 0,\n  { PLAIN(MAPPING), PEER_REF, FRAME(0) } },\n',
    ERRNO: '    BLANKET_EPERM = 1,\n',
    ABI: '| EPERM | no |\n| GRANT_MAP, batch | 0x18a4 | GRANT_MAP | MAPPING (create), PEER_REF, FRAME | |\n',
    THREATS: '| `tests/a.c: one, two` |\n',
    'tests/a.c': 'test(one) test(two)\n',
}


def changed(path, old, new):
    return dict(GOOD, **{path: GOOD[path].replace(old, new)})


SAMPLES = [
    ('all is well', GOOD, None),
    ('a verb is missing', changed(ABI, 'GRANT_MAP,', 'GRANT_NAP,'), 'GRANT_MAP is missing'),
    ('another number', changed(ABI, '0x18a4', '0x18a5'), 'GRANT_MAP is'),
    ('another right', changed(ABI, '| GRANT_MAP |', '| GRANT_COPY |'), 'GRANT_MAP is'),
    ('no batch', changed(ABI, ', batch', ''), 'GRANT_MAP has'),
    ('another item', changed(ABI, 'PEER_REF', 'PEER_PORT'), 'GRANT_MAP has'),
    ('an error is missing', changed(ABI, 'EPERM', 'EVIL'), 'the error EPERM'),
    ('a test that is not there', changed(THREATS, 'two', 'three'), 'no test three'),
    ('a file that is not there', changed(THREATS, 'a.c', 'b.c'), 'no tests/b.c'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
