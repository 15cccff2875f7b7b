#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blanketctl on an L1 Xen of the test's own (ctl_fake.c): ctl.py PROGRAM."""

import json
import os
import subprocess
import sys


def ctl(*arguments, status=0, **environment):
    """Run it; its output and error output. Fails if the exit status isn't the one expected."""
    done = subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60, env={**os.environ, **environment})
    assert done.returncode == status, f"{arguments}: {done.returncode}: {done.stderr}"
    return done.stdout, done.stderr


def lists():
    """Entries for people and for programs; a name can't break out of either."""
    out, _ = ctl("list")
    lines = out.splitlines()
    assert len(lines) == 2 and "domain 3  endpoint 1.3  name vbd/51712  state live" in lines[0], out
    assert "\x1b" not in out
    entries = json.loads(ctl("--json", "list")[0])
    assert [entry["name"] for entry in entries] == ["vbd/51712", "a\"\\\n\x1b[b"], entries
    assert [entry["closing"] for entry in entries] == [0, 2]
    assert entries[0]["peer"] == 0 and "peer" not in entries[1]
    assert [entry["domain"] for entry in json.loads(ctl("list", "4", "--json")[0])] == [4]
    assert json.loads(ctl("list", "5", "--json")[0]) == []
    ctl("list", "self", status=2)


def finds():
    """An endpoint by name or number, in its own domain; the dead have no name."""
    status = json.loads(ctl("--json", "status", "3", "vbd/51712")[0])[0]
    assert status["rights"] == "all" and status["grant_base"] == 64 and status["grants"] == 33
    assert json.loads(ctl("--json", "status", "3", "1.3")[0])[0] == status
    dead = json.loads(ctl("--json", "status", "4", "2.1")[0])[0]
    assert dead["rights"] == "query,store-read", dead["rights"]
    assert "no such endpoint" in ctl("status", "4", "vbd/51712", status=1)[1]
    assert "no such endpoint" in ctl("status", "3", "1.4", status=1)[1]
    assert "revoked vbd/51712" in ctl("revoke", "3", "vbd/51712")[1]
    assert "no such endpoint" in ctl("revoke", "3", "none", status=1)[1]


def peers():
    """The peer of an endpoint is gone, or back: what is asked reaches Xen, each refusal is told in words."""
    assert "lost vbd/51712" in ctl("lost", "3", "vbd/51712")[1]
    assert "no such endpoint" in ctl("lost", "3", "none", status=1)[1]
    assert "rebind to 0" in ctl("rebind", "3", "vbd/51712")[1]
    assert "drained" in ctl("rebind", "3", "vbd/51712", "--peer", "1", status=1)[1]
    assert "another domain" in ctl("rebind", "3", "1.3", "--peer", "2", status=1)[1]
    assert "mint it anew" in ctl("rebind", "3", "1.3", "--peer", "3", status=1)[1]
    assert "isn't broken" in ctl("rebind", "4", "2.1", status=1)[1]
    assert "no such endpoint" in ctl("rebind", "3", "none", status=1)[1]
    for wrong in (("lost", "3"), ("rebind", "3"), ("lost", "x", "1.3"), ("rebind", "x", "1.3")):
        ctl(*wrong, status=2)


def mints():
    """What is asked for reaches Xen, and each refusal is told in words."""
    out, errors = ctl("mint", "4", "--name", "x", "--peer", "5", "--rights", "query,GRANT_ACCESS",
                      "--grants", "7", "--json")
    assert json.loads(out) == [{"endpoint": "5.7", "name": "x"}]
    assert "mint domain 4 rights 11 flags 0 peer 5 grants 7 ports 4 connections 0" in errors, errors
    _, errors = ctl("mint", "4", "--name", "x", "--raw", "--ports", "2")
    assert "flags 6 peer 7ffb grants 0 ports 2 connections 2" in errors, errors
    assert "--share" in ctl("mint", "4", "--name", "x", "--peer", "0", status=1)[1]
    ctl("mint", "4", "--name", "x", "--peer", "0", "--share")
    assert "blanketctl limits" in ctl("mint", "4", "--name", "x", "--peer", "1", "--grants", "1001",
                                      status=1)[1]
    assert "isn't attached" in ctl("mint", "9", "--name", "x", status=1)[1]
    assert "there is no right \"fly\"" in ctl("mint", "4", "--name", "x", "--rights", "fly", status=2)[1]
    ctl("mint", "4", status=2)
    ctl("mint", "4", "--name", "n" * 32, status=2)
    ctl("mint", "x", "--name", "x", status=2)
    ctl("mint", "-1", "--name", "x", status=2)
    ctl("mint", "4", "--name", "x", "--grants", "1e3", status=2)


def others():
    """Domains, limits, the audit, and wrong use."""
    ctl("attach", "4", "--grants", "100")
    assert "no domain that lives" in ctl("attach", "9", status=1)[1]
    assert "isn't attached" in ctl("detach", "4", status=1)[1]
    limits = json.loads(ctl("limits", "--json")[0])[0]
    assert limits["grant_room"] == 12345 and limits["broker"] == "none"
    out, errors = ctl("audit", "--json")
    records = json.loads(out)
    assert [record["sequence"] for record in records] == list(range(7, 50))
    assert records[0]["verb"] == "GRANT_ACCESS" and records[0]["right"] == "grant-access"
    assert "7 older refusals" in errors
    assert len(json.loads(ctl("audit", "--json", "--since", "45")[0])) == 5
    assert "this domain may not" in ctl("derive", "vbd/51712", "--name", "part", status=1)[1]
    assert "may not be opened" in ctl("list", status=1, FAKE_DENIED="1")[1]
    assert "derive NAME" in ctl("--help")[0]
    for wrong in ((), ("fly",), ("list", "1", "2"), ("revoke", "1"), ("list", "--fly")):
        ctl(*wrong, status=2)


if __name__ == "__main__":
    lists()
    finds()
    peers()
    mints()
    others()
