# SPDX-License-Identifier: MIT
"""
An L1 Xen whose policy is FLASK's: the same image as in all other boots, and `xsm=flask flask=enforcing`.
"""

import re

from .checks import PLAIN, came_to_its_end, check, expect, only

# EVTCHN_ALLOC_UNBOUND and EVTCHN_STATUS of include/blanket/wire.h, by the right that both need.
RIGHT = "evtchn_bind"


@check(job=PLAIN)
def flask(boot):
    """With FLASK enforcing, a guest of domU_t may use its endpoint, one of isolated_domU_t may not."""
    expect(only(boot, "flask", "enforce") == "Enforcing", f"xl getenforce: {only(boot, 'flask', 'enforce')}")
    domains = {}
    for kind in ("domU_t", "isolated_domU_t"):
        label = only(boot, "flask", f"label-{kind}")
        expect(label.endswith(f"system_u:system_r:{kind}"), f"{kind} has the label {label}")
        domains[kind] = label.split()[1]
        text = only(boot, "flask", f"mint-{kind}")
        expect(text == "attach ok, mint ok, endpoint 1.1", f"mint for {kind}: {text}")
    text = only(boot, "domU_t", "use")
    expect(text == "alloc-unbound ok 0, status ok 0, admin EPERM", f"domU_t was told: {text}")
    text = only(boot, "isolated_domU_t", "use")
    expect(text == "alloc-unbound EPERM 0, status EPERM 0, admin EPERM",
           f"isolated_domU_t was told: {text}")
    audited = set(re.findall(r"domain (\d+)", only(boot, "flask", "audit")))
    expect(audited == {domains["isolated_domU_t"]},
           f"blanket's audit has denials of domains {audited}; the guests are {domains}")
    denied = {(match[2], match[1]) for match in (
        re.search(r"denied +\{ ([a-z_ ]+) \}.*scontext=\S+:(\w+) .*:xen_t tclass=blanket", line)
        for line in boot.texts("flask", "avc")) if match}
    wanted = {("domU_t", "admin"), ("isolated_domU_t", "admin"), ("isolated_domU_t", RIGHT)}
    expect(denied == wanted, f"Xen's log has the denials {sorted(denied)}, expected {sorted(wanted)}")
    came_to_its_end(boot)
