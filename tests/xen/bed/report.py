# SPDX-License-Identifier: MIT
"""Progress on stderr, results on stdout, and the two ways in which a run can end early."""

import sys
import time

STARTED = time.monotonic()


class Missing(Exception):
    """Something that the bed needs isn't on this machine: the checks that need it are skipped."""


class Broken(Exception):
    """The bed itself failed (a build, an image, a boot): the checks that need it fail."""


def progress(text):
    """Say what the run is doing or waiting for."""
    elapsed = int(time.monotonic() - STARTED)
    print(f"xen {elapsed:4d} s: {text}", file=sys.stderr, flush=True)


def result(text):
    """Print a line of the outcome; these lines alone go to stdout."""
    print(text, flush=True)
