# SPDX-License-Identifier: MIT
"""
The named checks: what each needs, and how it judges.

A check is a function of what it needs that returns nothing, or raises Wrong. Its name on the
command line is the function's, with dashes.
"""

import re
import tempfile
from pathlib import Path

from . import hypervisor, image, machine
from . import objects as compiled
from .report import progress

CHECKS = {}

# Of Xen's 8 KiB. What calls blanket, and the copies and interrupts under it, need the rest.
STACK_MAX = 2048
LINES_MAX = 150

# A stock L0 with three L1 Xens, one after the other: without blanket, with it, and with it turned
# off. Each has an L2 guest on a disk of its own; L0's disk is given to each L1 and isn't used. In
# the one with blanket dom0 uses it then. The fourth is one with FLASK.
PLAIN = machine.Job("plain-l0", 1200, ("stock", "blanket"), image.with_flask_guest)
L1S = ("stock", "blanket", "off")


class Wrong(Exception):
    """The check's finding: the claim doesn't hold, and why."""


class Check:
    """A check and what it needs: a boot's job, or the name of an L1 Xen's build tree."""

    def __init__(self, judge, job, tree):
        self.judge = judge
        self.name = judge.__name__.replace("_", "-")
        self.job = job
        self.tree = tree
        self.about = judge.__doc__.strip().splitlines()[0]


def check(job=None, tree=None):
    """Register a check that judges a boot of job, or the build tree of an L1 Xen."""
    def register(judge):
        made = Check(judge, job, tree)
        CHECKS[made.name] = made
        return judge
    return register


def only(boot, who, word):
    """The text of a mark that must be there once."""
    texts = boot.texts(who, word)
    if len(texts) != 1:
        reason = f" ({boot.failure})" if boot.failure else ""
        raise Wrong(f"{who} said \"{word}\" {len(texts)} times, not once{reason}")
    return texts[0]


def found(boot, who, word, pattern):
    """The match of all of a mark's text with a pattern; a mark that is there once, but says something
    else, is a finding."""
    text = only(boot, who, word)
    match = re.fullmatch(pattern, text)
    if not match:
        raise Wrong(f"{who}: {word} says \"{text}\", which isn't {pattern}")
    return match


def expect(condition, text):
    """Raise Wrong with text unless the condition holds."""
    if not condition:
        raise Wrong(text)


def came_to_its_end(boot):
    """The boot ended by itself and no job met a problem."""
    expect(not boot.failure, boot.failure)
    problems = [f"{who}: {text}" for _, who, word, text in boot.marks if word == "problem"]
    expect(not problems, "; ".join(problems))


@check(job=PLAIN)
def l0_boots(boot):
    """L0 is the distribution's Xen with its toolstack in dom0."""
    text = only(boot, "l0", "toolstack")
    expect(text.startswith("Domain-0") and "control_d" in text, f"toolstack: {text}")
    expect("-l1-" not in text, f"L0 is a Xen of the test bed: {text}")
    expect("guest type PV" in only(boot, "l0", "init"), "L0's dom0 isn't a PV domain")


@check(job=PLAIN)
def l1_boots(boot):
    """Each L1 is a Xen of its own in a PVH domain of L0, with its own dom0 and toolstack."""
    for l1 in L1S:
        text = only(boot, l1, "toolstack")
        built = "l1-stock" if l1 == "stock" else "l1-blanket"
        expect(text.startswith("Domain-0") and "control_d" in text, f"{l1}: toolstack: {text}")
        expect(f"-{built}," in text, f"{l1}: dom0 runs on another Xen: {text}")


@check(job=PLAIN)
def l2_reads_and_writes(boot):
    """A PV guest of each L1 reads its disk, writes, reads back; all shut down cleanly."""
    for l1 in L1S:
        l2 = f"l2-{l1}"
        expect(only(boot, l2, "label") == f"label of the disk in {l1}", f"{l2} read another label")
        expect(only(boot, l2, "readback") == f"written by {l2}", f"{l2} read back something else")
        only(boot, l2, "off")
        only(boot, l1, "off")
    came_to_its_end(boot)


@check(job=PLAIN)
def l2_writes_where_expected(boot):
    """L2's write is in its sector of L1's disk and nowhere else; L0's disk is as it was."""
    for l1 in L1S:
        size = len(f"written by l2-{l1}")
        expected = f"{size} bytes, first {8 * 512 + 1}, last {8 * 512 + size}"
        text = only(boot, l1, "changed")
        expect(text == expected, f"{l1}'s disk changed in {text}; expected {expected}")
    changed = machine.changed_sectors(boot.disk)
    expect(not changed, f"L0's disk changed in sectors {changed[:8]}")


@check(job=PLAIN)
def discovery(boot):
    """Discovery finds blanket in the L1 that has it, and in no other Xen."""
    for who, answer in (("l0", "absent"), ("stock", "absent"), ("off", "absent"),
                        ("blanket", "present")):
        expected = "present" if answer == "present" else "absent (ENOSYS)"
        text = only(boot, who, "discovery")
        expect(text == expected, f"{who}: discovery says {text}, expected {expected}")
        text = only(boot, who, "wrong-magic")
        expect(text == "absent (ENOSYS)", f"{who}: another magic number is answered: {text}")


@check(tree="blanket")
def objects(tree):
    """blanket's objects in Xen: no SSE, thunks, endbr64, no stray symbol, little stack."""
    made = sorted(path for path in (tree / "xen" / "common" / "blanket").glob("*-*.o"))
    expect(made, "there are no objects")
    with tempfile.TemporaryDirectory() as directory:
        unseen = compiled.unseen_faults(Path(directory))
    expect(not unseen, f"the check doesn't see {unseen} in an object that has it")
    faults = compiled.faults(made)
    strays = compiled.stray_symbols(made)
    expect(not faults, f"{len(faults)} faults: {'; '.join(faults[:5])}")
    expect(not strays, f"the core needs {' '.join(strays[:8])}")
    depth, chain = compiled.deepest_stack(made)
    progress(f"blanket adds {compiled.text_size(made)} bytes of text and read-only data to Xen; "
             f"its deepest stack is {depth} bytes: {' > '.join(chain)}")
    expect(not any("recursion" in name for name in chain), f"recursion: {' > '.join(chain)}")
    expect(depth <= STACK_MAX, f"{' > '.join(chain)} takes {depth} bytes, more than {STACK_MAX}")


@check(tree="blanket")
def lines_inserted(tree):
    """At most 150 lines are inserted into Xen's files, and FLASK knows each right."""
    count = compiled.lines_inserted(hypervisor.PORT / "lines.table")
    progress(f"blanket inserts {count} lines into Xen's own files")
    expect(count <= LINES_MAX, f"{count} lines, more than {LINES_MAX}")
    wire = (hypervisor.SOURCE / "include" / "blanket" / "wire.h").read_text()
    expect("enum blanket_right {" in wire, "wire.h names no rights")
    named = wire.split("enum blanket_right {")[1].split("}")[0]
    rights = re.findall(r"BLANKET_RIGHT_(\w+) = \d+", named)
    rights = [right.lower() for right in rights if right != "COUNT"]
    policy = (tree / "xen" / "xsm" / "flask" / "policy" / "access_vectors").read_text()
    permissions = re.search(r"class blanket\n\{([^}]*)\}", policy)
    expect(permissions, "FLASK's policy has no class blanket")
    permissions = permissions[1].split()
    expect(permissions == rights + ["admin"], f"FLASK's permissions are {permissions}")
