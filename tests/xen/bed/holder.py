# SPDX-License-Identifier: MIT
"""
Xen's calls from a process in L1's dom0; its pages: what becomes of them when it is killed, or the peer is gone.
"""

import re

from .checks import PLAIN, came_to_its_end, check, expect, only
from .report import progress

PAGES = 300
MAPPED = 8  # of these, by a process in L0's dom0
FILLED = 256  # MiB, at least, in two goes: of a dom0 of 384

# enum blanket_endpoint_state and errors, as the program prints them
LIVE, BROKEN = 1, 2
ENOENT, EINVAL, ENOTCONN = 2, 22, 107


def info(boot, word):
    """What the program said of the endpoint: state, grants, closing, and what a query gets."""
    text = only(boot, "blanket", word)
    found = re.search(r"state (\d+), grants (\d+), closing (\d+), query (-?\d+)$", text)
    expect(found, f"{word}: {text}")
    return tuple(int(number) for number in found.groups())


@check(job=PLAIN)
def l1_dom0_reaches_l0(boot):
    """L1's dom0 shares a page and a channel with a domain of L0; refusals, revoke, drained."""
    text = only(boot, "blanket", "probe")
    expect(text == "ok", f"the probe in L1's dom0 says: {text}")
    text = only(boot, "l0", "peer")
    expect(text == "from L1", f"the peer in L0's dom0 says: {text}")
    came_to_its_end(boot)


@check(job=PLAIN)
def killed_process(boot):
    """kill -9 of a process whose pages L0 has mapped: none is used again before L0 lets go, all come back."""
    expect(only(boot, "blanket", "hold") == "mapped", f"the process: {only(boot, 'blanket', 'hold')}")
    expect(info(boot, "held")[:3] == (LIVE, PAGES, 0), f"before: {info(boot, 'held')}")
    expect(info(boot, "killed")[:3] == (LIVE, MAPPED, MAPPED), f"after the kill: {info(boot, 'killed')}")
    deferred = only(boot, "blanket", "deferred")
    expect(deferred == str(MAPPED), f"the kernel couldn't take {deferred} pages back, not {MAPPED}")
    written = re.fullmatch(r"(\d+) MiB written", only(boot, "blanket", "fill"))
    expect(written and int(written[1]) >= FILLED, f"written over: {only(boot, 'blanket', 'fill')}")
    expect(info(boot, "filled")[:3] == (LIVE, MAPPED, MAPPED), f"mapped all the time: {info(boot, 'filled')}")
    expect(only(boot, "blanket", "freed-before") == "0", "pages were freed while L0 had them mapped")
    seen = re.fullmatch(r"(\w+ 1\.\.8), (\w+ 1\.\.8), status 0", only(boot, "l0", "mapper"))
    expect(seen and seen[1] == seen[2], f"L0 saw its pages change: {only(boot, 'l0', 'mapper')}")
    text = only(boot, "blanket", "drained")
    expect(text.startswith("drained after "), f"when L0 had let go: {text}")
    freed = only(boot, "blanket", "freed")
    expect(freed == str(MAPPED), f"the kernel got {freed} of {MAPPED} pages back")
    progress(f"killed: {PAGES - MAPPED} of {PAGES} pages back at once, {MAPPED} {text}; "
             f"{only(boot, 'blanket', 'fill')} meanwhile")


@check(job=PLAIN)
def killed_process_says_nothing(boot):
    """The same for a process that didn't ask the kernel to tell: Xen sees that its channel is bound no more."""
    text = only(boot, "blanket", "silent")
    expect(text.startswith("mapped state 1, grants 20, closing 0"), f"before: {text}")
    text = only(boot, "blanket", "silent-drained")
    expect(text.startswith("drained after "), f"after the kill: {text}")
    left = only(boot, "blanket", "silent-left")
    expect(left == "0", f"the kernel waits for {left} pages")
    progress(f"killed without a word: {text}")


@check(job=PLAIN)
def endpoint_lost(boot):
    """An endpoint whose peer is lost is broken and drains; bound again it serves its holder under its handle."""
    text = only(boot, "blanket", "lost")
    expect(text.startswith("0, ") and info(boot, "lost")[0] == BROKEN, f"lost: {text}")
    expect(info(boot, "lost")[3] == -ENOTCONN, f"a query of it: {text}")
    expect(only(boot, "blanket", "lost-drained").startswith("drained"), only(boot, "blanket", "lost-drained"))
    text = only(boot, "blanket", "lost-again")
    expect(text.startswith("0, ") and info(boot, "lost-again")[0] == BROKEN, f"lost again: {text}")
    text = only(boot, "blanket", "rebind")
    expect(text.startswith("0, ") and info(boot, "rebind") == (LIVE, 0, 0, -ENOENT), f"rebind: {text}")
    text = only(boot, "blanket", "rebind-again")
    expect(text.startswith(f"-{EINVAL}, "), f"one that isn't broken is bound: {text}")
    text = only(boot, "blanket", "after-rebind")
    expect(text.startswith("mapped state 1, grants 4, closing 0"), f"after it was bound again: {text}")
    came_to_its_end(boot)


@check(job=PLAIN)
def forwarded_call(boot):
    """What a hypercall to L0 through blanket takes, beside one of L1's own: reported."""
    text = only(boot, "blanket", "time")
    expect(re.search(r"\d.*, ok$", text), text)
    progress(f"from a process in L1's dom0, each: {text.removesuffix(', ok')}")
