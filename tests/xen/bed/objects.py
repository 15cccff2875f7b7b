# SPDX-License-Identifier: MIT
"""
What the compiler made of blanket for Xen, read from the linked objects' code.

Code that was compiled with other flags links into Xen without a word and fails later: SSE traps in
Xen, an unthunked branch is open to speculation, a callback without endbr64 faults where the CPU
tracks branches, and Xen's stack is 8 KiB.
"""

import re
import subprocess
from dataclasses import dataclass, field

# What blanket's objects may take from Xen's, beside the port's own use of Xen.
CORE_MAY_USE = {"memcpy", "memmove", "memset", "memcmp"}
THUNK = re.compile(r"__x86_(indirect_thunk_\w+|return_thunk)$")

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(\S+) *(.*)$")
RELOCATION = re.compile(r"^\s+[0-9a-f]+: (R_X86_64_\w+)\s+(\S+)$")
VECTOR = re.compile(r"%(xmm|ymm|zmm|mm|st)\b|%[xyz]?mm\d|%st\(")


@dataclass
class Function:
    """One function's code, as far as the rules need it."""

    file: str
    name: str
    first: str = ""          # its first instruction
    frame: int = 8           # bytes of stack: return address, pushes and locals
    calls: set = field(default_factory=set)     # functions that it branches to
    taken: set = field(default_factory=set)     # functions whose address it uses
    faults: list = field(default_factory=list)


def read_objects(objects):
    """All functions of some object files: ({name: Function}, names whose address is taken)."""
    functions, taken = {}, set()
    for path in objects:
        listing = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        found = _read_code(path.name, listing)
        functions.update(found)
        taken |= {name for function in found.values() for name in function.taken}
        taken |= _addresses_in_data(path)
    return functions, taken


def _read_code(file, listing):
    """Parse one object's disassembly."""
    functions, current, last = {}, None, ("", "")
    for line in listing.splitlines():
        match = FUNCTION.match(line)
        if match:
            current = Function(file, match[1])
            functions[match[1]] = current
            continue
        match = INSTRUCTION.match(line)
        if match and current:
            last = match.groups()
            _judge_instruction(current, *last)
            continue
        match = RELOCATION.match(line)
        if match and current:
            target = re.sub(r"[-+]0x[0-9a-f]+$", "", match[2])
            target = re.sub(r"^\.text\.", "", target)
            # A branch's target is called; any other mention of a function takes its address.
            (current.calls if last[0].startswith(("call", "j")) else current.taken).add(target)
    return functions


def _judge_instruction(function, mnemonic, operands):
    """Note an instruction's stack use, and what's wrong with it."""
    function.first = function.first or mnemonic
    if VECTOR.search(operands):
        function.faults.append(f"uses a vector or x87 register: {mnemonic} {operands}")
    if mnemonic.startswith(("call", "jmp")) and operands.startswith("*"):
        function.faults.append(f"branches without a thunk: {mnemonic} {operands}")
    if mnemonic.startswith("ret"):
        function.faults.append("returns without a thunk")
    if mnemonic == "push":
        function.frame += 8
    found = re.match(r"\$0x([0-9a-f]+),%rsp$", operands)
    if mnemonic == "sub" and found:
        function.frame += int(found[1], 16)


def _addresses_in_data(path):
    """The functions whose address stands in an object's data."""
    listing = subprocess.run(["objdump", "-r", path], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    taken, in_data = set(), False
    for line in listing.splitlines():
        if line.startswith("RELOCATION RECORDS FOR"):
            section = line[line.index("[") + 1:line.rindex("]")]
            in_data = section.startswith((".data", ".rodata", ".init.data"))
        elif in_data and "R_X86_64_64" in line:
            taken.add(re.sub(r"[-+]0x[0-9a-f]+$", "", line.split()[2]).removeprefix(".text."))
    return taken


def faults(objects):
    """What breaks the rules, as texts: instructions, and callbacks without endbr64."""
    functions, taken = read_objects(objects)
    found = [f"{f.file}: {f.name} {fault}" for f in functions.values() for fault in f.faults]
    found += [f"{functions[name].file}: {name} has its address taken but doesn't begin with endbr64"
              for name in sorted(taken) if name in functions and functions[name].first != "endbr64"]
    return found


def stray_symbols(objects):
    """What the core's objects need from outside: only the four memory functions and thunks may be."""
    core = [path for path in objects if not path.name.startswith("port-")]
    needed, defined = set(), set()
    for path in core:
        listing = subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in listing.splitlines():
            kind, name = line.split()[-2:]
            (needed if kind == "U" else defined).add(name)
    strays = needed - defined - CORE_MAY_USE
    return sorted(name for name in strays if not THUNK.match(name))


def deepest_stack(objects):
    """The largest stack use of a chain of blanket's own calls: (bytes, [functions])."""
    functions, _ = read_objects(objects)
    known = {}

    def measure(name, above):
        if name in above:
            return (0, [f"recursion: {name}"])
        if name not in known:
            function = functions[name]
            inner = [measure(callee, above | {name}) for callee in function.calls
                     if callee in functions and callee != name]
            deepest = max(inner, default=(0, []))
            known[name] = (function.frame + deepest[0], [name] + deepest[1])
        return known[name]

    return max((measure(name, frozenset()) for name in functions), default=(0, []))


def text_size(objects):
    """Bytes of code and read-only data."""
    listing = subprocess.run(["size", "-A", *objects], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return sum(int(row[1]) for row in rows
               if len(row) == 3 and row[0].startswith((".text", ".rodata")))


def lines_inserted(table):
    """The lines that a table of the insert script puts into Xen's files."""
    return sum(line.startswith("+") for line in table.read_text().splitlines())
