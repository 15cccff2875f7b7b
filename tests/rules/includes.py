#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom: a room its own and lower rooms and include/blanket; a port include/blanket and
its host; include/blanket itself only. The compiler's search path says much of this too; this rule also
sees "../" and what the host's own headers would bring in."""
import os
import re
import sys

import rule

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>]+)>|"([^"]+)")', re.M)
# The compiler seam is the one place that may ask a hosted compiler for its headers.
ENV = {'include/blanket/env.h': {'stdbool.h', 'stddef.h', 'stdint.h', 'string.h'}}
# Xen's public headers that say what a protocol is; Xen's own tree has them at public/.
PROTOCOLS = {'src/xenstore/wire.h': {'xen/io/xs_wire.h', 'public/io/xs_wire.h'}}
# What a port offers to its host: above the core, so the core's headers don't know it.
PORTS = 'blanket/port/'


def public_ok(root, name):
    return name.startswith('blanket/') and os.path.exists(os.path.join(root, 'include', name))


def check_room(root, path, angled, quoted):
    room = path.split('/')[1]
    if angled is not None:
        if public_ok(root, angled) and not angled.startswith(PORTS):
            return None
        if angled in PROTOCOLS.get(path, ()):
            return None
        return 'a room includes include/blanket only, and no port\'s header, not <%s>' % angled
    for other in [room] + rule.ROOMS[room]:
        if os.path.exists(os.path.join(root, 'src', other, quoted)) and '/' not in quoted:
            return None
    return 'room %s may not see "%s"' % (room, quoted)


def check_outside(root, path, angled, quoted):
    """Ports, the program and examples: public headers, their own, their host's."""
    if angled is not None:
        if angled.startswith('blanket/') and not public_ok(root, angled):
            return 'there is no public header <%s>' % angled
        return None
    if '..' not in quoted and os.path.exists(os.path.join(root, os.path.dirname(path), quoted)):
        return None
    return '"%s" is neither its own nor public' % quoted


def check_public(root, path, angled, quoted):
    if quoted is not None:
        return 'a public header includes <blanket/...>, not "%s"' % quoted
    if angled in ENV.get(path, ()):
        return None
    if public_ok(root, angled) and (path.startswith('include/' + PORTS) or not angled.startswith(PORTS)):
        return None
    return 'a public header includes include/blanket only, not <%s>' % angled


def judge_for(path):
    parts = path.split('/')
    if path.startswith('include/blanket/'):
        return check_public
    if parts[0] == 'src' and len(parts) > 2 and parts[1] in rule.ROOMS:
        return check_room
    return check_outside


def check(root):
    findings = []
    paths = rule.files(root, ['include', 'src', 'tools', 'examples'], ['.c', '.h'])
    for path in paths:
        text = rule.read(root, path)
        for match in INCLUDE.finditer(text):
            problem = judge_for(path)(root, path, match.group(1), match.group(2))
            if problem:
                line = text.count('\n', 0, match.start()) + 1
                findings.append('%s:%d: %s' % (path, line, problem))
    return len(paths), findings


GOOD = {
    'include/blanket/env.h': '#include <stdint.h>\n#include BLANKET_ENV_HEADER\n',
    'include/blanket/types.h': '#include <blanket/env.h>\n',
    'include/blanket/port/root.h': '#include <blanket/types.h>\n',
    'src/base/slot.h': '#include <blanket/types.h>\n',
    'src/acl/check.h': '#include "slot.h"\n',
    'src/grant/map.h': '#include "check.h"\n',
    'src/grant/map.c': '#include "map.h"\n',
    'src/hypercall/level.c': '#include "map.h"\n#include "slot.h"\n',
    'src/xenstore/wire.h': '#include <xen/io/xs_wire.h>\n',
    'src/port/root/store.h': '#include <blanket/types.h>\n',
    'src/port/root/store.c': '#include "store.h"\n#include <stdlib.h>\n',
    'tools/blanket.c': '#include <blanket/types.h>\n#include <stdio.h>\n',
}


def bad(path, text):
    tree = dict(GOOD)
    tree[path] = text
    return tree


SAMPLES = [
    ('all is well', GOOD, None),
    ('base looks up', bad('src/base/slot.c', '#include "check.h"\n'), 'room base may not see'),
    ('siblings', bad('src/evtchn/send.c', '#include "map.h"\n'), 'room evtchn may not see'),
    ('siblings, by a path', bad('src/evtchn/send.c', '#include "../grant/map.h"\n'), 'may not see'),
    ('a lower room, by a path', bad('src/evtchn/send.c', '#include "../acl/check.h"\n'), 'may not see'),
    ('libc in a room', bad('src/acl/check.c', '# include <stdlib.h>\n'), 'not <stdlib.h>'),
    ('stdint.h in a room', bad('src/acl/check.c', '#include <stdint.h>\n'), 'not <stdint.h>'),
    ('a protocol, from elsewhere', bad('src/xenstore/a.c', '#include <xen/io/xs_wire.h>\n'), 'not <xen/io'),
    ('a port looks into a room', bad('src/port/sim/sim.c', '#include "slot.h"\n'), 'neither its own'),
    ('a port by a path', bad('src/port/sim/sim.c', '#include "../../base/slot.h"\n'), 'neither its own'),
    ('a port looks into a port', bad('src/port/sim/sim.c', '#include "store.h"\n'), 'neither its own'),
    ('the program looks into a room', bad('tools/run.c', '#include "level.h"\n'), 'neither its own'),
    ('public looks inside', bad('include/blanket/level.h', '#include "slot.h"\n'), 'a public header'),
    ('public looks at a port', bad('include/blanket/level.h', '#include <blanket/port/root.h>\n'), 'a public header'),
    ('a room looks at a port', bad('src/acl/a.c', '#include <blanket/port/root.h>\n'), 'no port'),
    ('libc in public', bad('include/blanket/level.h', '#include <stdint.h>\n'), 'a public header'),
    ('a header that is not there', bad('tools/run.c', '#include <blanket/none.h>\n'), 'no public header'),
]

if __name__ == '__main__':
    sys.exit(rule.main(check, SAMPLES))
