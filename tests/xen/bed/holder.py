# SPDX-License-Identifier: MIT
"""
Pages of processes in L1's dom0: what becomes of them when the process is killed, or the peer is gone.
"""

import re

from . import machine
from .checks import came_to_its_end, check, expect, only
from .report import progress

JOB = machine.Job("holder-l0", 900, ("blanket",))
PAGES = 300
MAPPED = 8  # of these, by a process in L0's dom0
FILLED = 256  # MiB, at least: of a dom0 of 768

# enum blanket_endpoint_state and errors, as the program prints them
LIVE, BROKEN = 1, 2
ENOENT, EINVAL, ENOTCONN = 2, 22, 107


def info(boot, word):
    """What the program said of the endpoint: state, grants, closing, and what a query gets."""
    text = only(boot, "l1", word)
    found = re.search(r"state (\d+), grants (\d+), closing (\d+), query (-?\d+)$", text)
    expect(found, f"{word}: {text}")
    return tuple(int(number) for number in found.groups())


@check(job=JOB)
def killed_process(boot):
    """kill -9 of a process whose pages L0 has mapped: none is used again before L0 lets go, all come back."""
    expect(only(boot, "l1", "hold") == "mapped", f"the process: {only(boot, 'l1', 'hold')}")
    expect(info(boot, "held")[:3] == (LIVE, PAGES, 0), f"before: {info(boot, 'held')}")
    expect(info(boot, "killed")[:3] == (LIVE, MAPPED, MAPPED), f"after the kill: {info(boot, 'killed')}")
    deferred = only(boot, "l1", "deferred")
    expect(deferred == str(MAPPED), f"the kernel couldn't take {deferred} pages back, not {MAPPED}")
    written = re.fullmatch(r"(\d+) MiB written", only(boot, "l1", "fill"))
    expect(written and int(written[1]) >= FILLED, f"written over: {only(boot, 'l1', 'fill')}")
    expect(info(boot, "filled")[:3] == (LIVE, MAPPED, MAPPED), f"mapped all the time: {info(boot, 'filled')}")
    expect(only(boot, "l1", "freed-before") == "0", "pages were freed while L0 had them mapped")
    seen = re.fullmatch(r"(\w+ 1\.\.8), (\w+ 1\.\.8), status 0", only(boot, "l0", "mapper"))
    expect(seen and seen[1] == seen[2], f"L0 saw its pages change: {only(boot, 'l0', 'mapper')}")
    text = only(boot, "l1", "drained")
    expect(text.startswith("drained after "), f"when L0 had let go: {text}")
    freed = only(boot, "l1", "freed")
    expect(freed == str(MAPPED), f"the kernel got {freed} of {MAPPED} pages back")
    progress(f"killed: {PAGES - MAPPED} of {PAGES} pages back at once, {MAPPED} {text}; "
             f"{only(boot, 'l1', 'fill')} meanwhile")


@check(job=JOB)
def killed_process_says_nothing(boot):
    """The same for a process that didn't ask the kernel to tell: Xen sees that its channel is bound no more."""
    text = only(boot, "l1", "silent")
    expect(text.startswith("mapped state 1, grants 20, closing 0"), f"before: {text}")
    text = only(boot, "l1", "silent-drained")
    expect(text.startswith("drained after "), f"after the kill: {text}")
    left = only(boot, "l1", "silent-left")
    expect(left == "0", f"the kernel waits for {left} pages")
    progress(f"killed without a word: {text}")


@check(job=JOB)
def endpoint_lost(boot):
    """An endpoint whose peer is lost is broken and drains; bound again it serves its holder under its handle."""
    text = only(boot, "l1", "lost")
    expect(text.startswith("0, ") and info(boot, "lost")[0] == BROKEN, f"lost: {text}")
    expect(info(boot, "lost")[3] == -ENOTCONN, f"a query of it: {text}")
    expect(only(boot, "l1", "lost-drained").startswith("drained"), only(boot, "l1", "lost-drained"))
    text = only(boot, "l1", "lost-again")
    expect(text.startswith("0, ") and info(boot, "lost-again")[0] == BROKEN, f"lost again: {text}")
    text = only(boot, "l1", "rebind")
    expect(text.startswith("0, ") and info(boot, "rebind") == (LIVE, 0, 0, -ENOENT), f"rebind: {text}")
    text = only(boot, "l1", "rebind-again")
    expect(text.startswith(f"-{EINVAL}, "), f"one that isn't broken is bound: {text}")
    text = only(boot, "l1", "after-rebind")
    expect(text.startswith("mapped state 1, grants 4, closing 0"), f"after it was bound again: {text}")
    came_to_its_end(boot)


@check(job=JOB)
def forwarded_call(boot):
    """What a hypercall to L0 through blanket takes, beside one of L1's own: reported."""
    text = only(boot, "l1", "time")
    expect(re.search(r"\d.*, ok$", text), text)
    progress(f"from a process in L1's dom0, each: {text.removesuffix(', ok')}")
