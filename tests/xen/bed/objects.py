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

RECURSION = 1 << 20  # more than any stack has
# What blanket's objects may take from Xen's, beside the port's own use of Xen.
CORE_MAY_USE = {"memcpy", "memmove", "memset", "memcmp"}
# Who calls which function through a pointer: patterns of "object:function" and of the called one's name.
# One of another name, whose address is taken, is taken to be called by everybody.
CALLED_BY = (
    # The platform's table; what a level stands on; what that, and the store's service, have of their host.
    (r"base-raise\.o:", r"host_notify$"),
    (r"(?!port-)", r"host_index_nospec$"),
    (r"(?!port-|base-raise|evtchn-deliver)", r"host_\w+$"),
    (r"hypercall-forward\.o:|hypercall-nested\.o:blanket_below_lookup|evtchn-port\.o:",
     r"(native|service|nested)_(call|send)$"),
    (r"port-xen-native\.o:", r"native_(lock|unlock|event_channel)$"),
    (r"port-xen-(service|broker)\.o:", r"service_(lock|unlock|raise|wake|settled|port_number)$"),
    # Xen's own: tasklets, timers, event channels.
    (r"$", r"(work|watch)(_later)?$|(channel|broker)_sent$"),
)
THUNK = re.compile(r"__x86_(indirect_thunk_\w+|return_thunk)$")

SECTION = re.compile(r"^Disassembly of section (\S+):$")
FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(\S+) *(.*)$")
LOCAL = re.compile(r"<([^>+]+)>$")
RELOCATION = re.compile(r"^\s+[0-9a-f]+: (R_X86_64_\w+)\s+([^-+\s]+)(?:([-+]0x[0-9a-f]+))?$")
VECTOR = re.compile(r"%(xmm|ymm|zmm|mm|st)\b|%[xyz]?mm\d|%st\(")


@dataclass
class Function:
    """One function's code, as far as the rules need it."""

    file: str
    name: str
    section: str
    offset: int              # in its section
    first: str = ""          # its first instruction
    starts_over: bool = False    # it calls itself, and doesn't just jump to its beginning
    frame: int = 8           # bytes of stack: return address, pushes and locals
    calls: set = field(default_factory=set)     # functions that it branches to
    taken: set = field(default_factory=set)     # functions whose address it uses
    faults: list = field(default_factory=list)


def read_objects(objects):
    """The functions of object files: ({(file, name): Function}, keys whose address is taken)."""
    functions, taken = {}, set()
    for path in objects:
        listing = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        found = _read_code(path.name, listing)
        _resolve(found)
        functions.update({(path.name, name): function for name, function in found.items()})
        mentioned = {name for function in found.values() for name in function.taken}
        mentioned |= {_name(found, *target) for target in _addresses_in_data(path)}
        # A name of this file means this file's function; another's is an external one.
        taken |= {(path.name if name in found else "", name) for name in mentioned}
    by_name = {key[1]: key for key in functions}
    return functions, {key if key[0] else by_name.get(key[1], key) for key in taken}


def _read_code(file, listing):
    """Parse one object's disassembly. Targets stay as (symbol or section, offset) at first."""
    functions, current, section, last = {}, None, "", ("", "")
    for line in listing.splitlines():
        match = SECTION.match(line)
        if match:
            section = match[1]
            continue
        match = FUNCTION.match(line)
        if match:
            current = Function(file, match[2], section, int(match[1], 16))
            functions[match[2]] = current
            continue
        match = INSTRUCTION.match(line)
        if match and current:
            last = match.groups()
            _judge_instruction(current, *last)
            # A target in the same section has no relocation; the disassembler names it.
            local = LOCAL.search(last[1])
            target = (local[1], 0) if local else None
        else:
            match = RELOCATION.match(line)
            # A relocation relative to the next instruction is off by the size of its own field.
            target = match and (match[2], int(match[3] or "0", 16) + 4 * ("_P" in match[1]))
        if target and current:
            is_branch = last[0].startswith(("call", "j"))
            (current.calls if is_branch else current.taken).add(target)
    return functions


def _resolve(functions):
    """Turn the targets of an object's functions into names; jumps within one aren't calls."""
    for function in functions.values():
        function.taken = {_name(functions, *target) for target in function.taken}
        called = {target for target in function.calls if target != (function.name, 0)}
        recursive = function.starts_over and (function.name, 0) in function.calls
        function.calls = {_name(functions, *target) for target in called}
        function.calls |= {function.name} if recursive else set()


def _name(functions, symbol, offset):
    """The function that a symbol, or an offset in a section, stands for; else the symbol itself."""
    for function in functions.values():
        if (function.section, function.offset) == (symbol, offset):
            return function.name
    return symbol


def _judge_instruction(function, mnemonic, operands):
    """Note an instruction's stack use, and what's wrong with it."""
    function.first = function.first or mnemonic
    if mnemonic == "call" and operands.endswith(f"<{function.name}>"):
        function.starts_over = True
    if VECTOR.search(operands):
        function.faults.append(f"uses a vector or x87 register: {mnemonic} {operands}")
    # Xen's alternative_call looks like this in an object, and is a direct call when Xen runs.
    patched = function.file.startswith("port-") and operands.startswith("*0x0(%rip)")
    if mnemonic.startswith(("call", "jmp")) and operands.startswith("*") and not patched:
        function.faults.append(f"branches without a thunk: {mnemonic} {operands}")
    if mnemonic.startswith("ret"):
        function.faults.append("returns without a thunk")
    if mnemonic == "push":
        function.frame += 8
    found = re.match(r"\$0x([0-9a-f]+),%rsp$", operands)
    if found and mnemonic in ("sub", "add"):
        # Adding a large number is subtracting a small one; what's given back isn't counted.
        number = int(found[1], 16)
        number -= (number >> 63) << 64
        function.frame += max(0, number if mnemonic == "sub" else -number)


def _addresses_in_data(path):
    """What an object's data has addresses of: {(symbol or section, offset)}."""
    listing = subprocess.run(["objdump", "-r", path], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    targets, in_data = set(), False
    for line in listing.splitlines():
        if line.startswith("RELOCATION RECORDS FOR"):
            section = line[line.index("[") + 1:line.rindex("]")]
            in_data = section.startswith((".data", ".rodata", ".init.data"))
        elif in_data and "R_X86_64_64" in line:
            symbol, sign, offset = line.split()[2].partition("+")
            targets.add((symbol, int(offset, 16) if sign else 0))
    return targets


def faults(objects):
    """What breaks the rules, as texts: instructions, and callbacks without endbr64."""
    functions, taken = read_objects(objects)
    found = [f"{f.file}: {f.name} {fault}" for f in functions.values() for fault in f.faults]
    found += [f"{key[0]}: {key[1]} has its address taken but doesn't begin with endbr64"
              for key in sorted(taken) if key in functions and functions[key].first != "endbr64"]
    return found


BAD = """
extern int outside(void);
static int callback(int x) { return x + 1; }
int (*const table[1])(int) = { callback };
double bad(int (*f)(int), double x) { return outside() + f(table[0](1)) * x; }
"""


def unseen_faults(directory):
    """Compile a file as no file of Xen is, and say which of its faults faults() doesn't see."""
    source, made = directory / "bad.c", directory / "core-bad.o"
    source.write_text(BAD)
    subprocess.run(["gcc", "-O2", "-fcf-protection=none", "-c", "-o", made, source], check=True)
    found = " ".join(faults([made]) + stray_symbols([made]))
    return [text for text in ("vector", "branches without", "returns without", "endbr64", "outside")
            if text not in found]


def stray_symbols(objects):
    """What the core's objects need from outside, beside memory functions and thunks."""
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
    """
    The largest stack use of a chain of blanket's calls: (bytes, [functions]).

    A call through a pointer is taken to reach every function that CALLED_BY lets it, so that the answer is
    an upper bound. Recursion is named in the chain, and makes it the deepest.
    """
    functions, taken = read_objects(objects)
    by_name = {key[1]: key for key in functions}
    pointed = [(key, next((caller for caller, name in CALLED_BY if re.match(name, key[1])), ""))
               for key in taken if key in functions]

    def callees(key):
        function = functions[key]
        found = {(key[0], name) if (key[0], name) in functions else by_name.get(name)
                 for name in function.calls}
        if any(name.startswith("__x86_indirect_thunk") for name in function.calls):
            found |= {target for target, caller in pointed if re.match(caller, ":".join(key))}
        return found - {None}

    known = {}

    def measure(key, above):
        if key in above:
            return (RECURSION, [f"recursion: {key[1]}"])
        if key not in known:
            deepest = max((measure(callee, above | {key}) for callee in callees(key)),
                          default=(0, []))
            known[key] = (functions[key].frame + deepest[0], [key[1]] + deepest[1])
        return known[key]

    # What is patched over instructions (.altinstr_replacement) isn't a function.
    return max((measure(key, frozenset()) for key in functions if key[1][0] != "."), default=(0, []))


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
