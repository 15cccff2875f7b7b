#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compiled.py BUILD: the C files that a build directory compiles, once each, for clang-tidy."""
import json
import os
import sys

build = sys.argv[1]
found = set()
with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as commands:
    for command in json.load(commands):
        path = os.path.relpath(os.path.join(command['directory'], command['file']))
        if path.endswith('.c') and not path.startswith(('..', 'build')):
            found.add(path)
print('\n'.join(sorted(found)))
