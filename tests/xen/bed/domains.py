# SPDX-License-Identifier: MIT
"""
Two domains of an L1 with disks of two backend domains of L0, one of them hostile; and disks that go while
they are in use.
"""

import json
import re

from . import cache, hypervisor, image, machine, module, user
from .checks import came_to_its_end, check, expect, only
from .report import progress

# In the order in which they are loaded, before the project's own.
DRIVER_MODULES = ("xen-privcmd", "xen-evtchn", "xen-gntalloc")
DRIVER_PROGRAMS = ("xenstore-read",)


def extended(fetched, images):
    """The images of L1's user space, with a driver domain's in it. A folder as images is."""
    base = user.extended(fetched, images)
    key = cache.key_of(base.name, image.GUEST)
    return cache.entry("domains", key, lambda target: _extend(fetched, base, target),
                       "building the driver domain of L1")


def _extend(fetched, base, target):
    root = fetched / "root"
    programs = base / "programs"
    own = [programs / name for name in ("blanket-disk", "blanket-attack", "blanketctl")]
    driver = image.user(fetched, own + [root / "usr" / "bin" / name for name in DRIVER_PROGRAMS],
                        DRIVER_MODULES)
    driver.file("modules/90-blanket_xen.ko", module.build(fetched))
    driver.write(target / "driver.img")
    extra = image.Archive()
    extra.file("images/driver.img", target / "driver.img")
    image.into_l1(base, target, extra)


DOMAINS = machine.Job("domains-l0", 1200, ("blanket",), extended)

LIMITS = ("grants", "ports", "closing", "zombies")
# What a view shows of whom a disk is from and for: nothing.
HIDDEN = ("backend", "backend-id", "frontend", "frontend-id")


def limits(boot, word):
    """What L1 Xen has of everything at an end."""
    text = only(boot, "l1", word)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    good = isinstance(found, list) and found and isinstance(found[0], dict)
    expect(good and all(isinstance(found[0].get(key), int) for key in LIMITS), f"limits: {text}")
    return found[0]


@check(job=DOMAINS)
def two_owners_of_two_backends(boot):
    """Two domains of L1 use disks of two backends of L0 at once; a second owner for the first is refused."""
    expect("name vbd/51712" in only(boot, "l1", "mint-dom0"), only(boot, "l1", "mint-dom0"))
    expect("name vbd/51728" in only(boot, "l1", "mint-driver"), only(boot, "l1", "mint-driver"))
    text = only(boot, "l1", "second-owner")
    expect("another domain has endpoints to this peer" in text, f"a second owner: {text}")
    expect(only(boot, "driver", "label") == "the disk of the second backend", "the driver domain read another disk")
    only(boot, "driver", "equal")
    for word in ("read", "write", "reread"):
        expect("requests" in only(boot, "driver", word), only(boot, "driver", word))
    expect(not re.search("name ", only(boot, "driver", "refused-admin")), "the driver domain administers")


@check(job=DOMAINS)
def attacks_reach_nothing(boot):
    """What a hostile domain tries with its endpoint: endpoints, frames, grants, ports, store, another's grants."""
    for who in ("l1", "driver"):
        lines = boot.texts(who, "attack")
        expect(lines and re.fullmatch(r"\d+ refused, 0 reached", lines[-1]), f"{who}: {lines}")
        expect(sum("tries, refused" in line for line in lines) == 6, f"{who}: not all was tried: {lines}")
        progress(f"{who}: {lines[-1]}")


@check(job=DOMAINS)
def nothing_of_l0_is_shown(boot):
    """No domain of L0 in what a view shows, and nothing of L1's guests in L0's store."""
    for who in ("l1", "driver"):
        seen = boot.texts(who, "view")
        expect(any(" state=" in line for line in seen), f"{who} sees no state: {seen}")
        for line in seen:
            found = re.fullmatch(r"view (frontend|backend) (\S+?)=(.*)", line)
            expect(found, f"{who}: {line}")
            expect(found[2] not in HIDDEN, f"{who} is shown {line}")
            expect("/local/domain" not in found[3] and "back" not in found[3], f"{who} is shown {line}")
    expect(only(boot, "l0", "leaks").startswith("0 of "), f"L0's store: {only(boot, 'l0', 'leaks')}")


@check(job=DOMAINS)
def a_flood_hurts_nobody(boot):
    """A domain of L1 floods sends and store requests; the other's disk goes on, and its latency is told."""
    rows = [only(boot, "l1", word) for word in ("latency-calm", "latency-flood")]
    for row in rows:
        expect("no error" in row, row)
    progress(f"4 KiB read of the other domain: {rows[0].split(', no error')[0]}; while it's flooded: "
             f"{rows[1].split(', no error')[0]}; the flood: {only(boot, 'driver', 'flooded')}")
    expect(re.match(r"\d+ sends, \d+ requests", only(boot, "driver", "flooded")), only(boot, "driver", "flooded"))


@check(job=DOMAINS)
def a_driver_domain_dies(boot):
    """The driver domain is destroyed in the middle of its I/O: all of it drains, nobody else notices."""
    expect(only(boot, "l1", "destroyed").startswith("gone after"), only(boot, "l1", "destroyed"))
    expect("no error" in only(boot, "l1", "after"), only(boot, "l1", "after"))
    progress(f"a driver domain destroyed in its I/O: {only(boot, 'l1', 'destroyed')}")
    expect(limits(boot, "limits-two")["zombies"] == 0, f"{limits(boot, 'limits-two')}")
    came_to_its_end(boot)


@check(job=DOMAINS)
def a_revoke_under_io(boot):
    """Revoke under I/O: an error at once, drained when L0 has let go, and a new endpoint works."""
    expect("held: " in only(boot, "l1", "ended-revoke"), only(boot, "l1", "ended-revoke"))
    text = only(boot, "l1", "drained")
    expect("grants 0 " in text and "ports 0 " in text and "closing 0 " in text, f"drained: {text}")
    zombies = re.search(r"zombies (\d+)", text)
    expect(zombies, f"drained: {text}")
    progress(f"revoked under I/O: {only(boot, 'l1', 'ended-revoke')}; drained {text.split(',')[0]}, "
             f"{zombies[1]} zombies")
    expect("sectors" in only(boot, "l1", "read-again"), only(boot, "l1", "read-again"))


@check(job=DOMAINS)
def a_detach_under_io(boot):
    """xl block-detach under I/O, with and without --force: an error, no hang; attached again, it's there again."""
    for how, word in (("detach", "detach"), ("force", "detach-force")):
        expect("Input/output error" in only(boot, "l1", f"ended-{how}"), only(boot, "l1", f"ended-{how}"))
        expect("sectors" in only(boot, "l1", f"attached-{how}"), only(boot, "l1", f"attached-{how}"))
        progress(f"{word}: xl says {only(boot, 'l0', word)}, the reader {only(boot, 'l1', f'ended-{how}')}")
    expect(only(boot, "l0", "attach") == "0" and only(boot, "l0", "attach-force") == "0", "not attached again")


@check(job=DOMAINS)
def a_backend_domain_dies(boot):
    """L0's second backend domain is destroyed under I/O: an error, no hang, and nothing is left in L1 Xen."""
    expect("Input/output error" in only(boot, "l1", "ended-back"), only(boot, "l1", "ended-back"))
    left = limits(boot, "limits-gone")
    for what in LIMITS:
        expect(left[what] == 0, f"left: {left}")
    progress(f"the backend's domain destroyed: {only(boot, 'l1', 'ended-back')}")
    came_to_its_end(boot)
