# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for a condition, with a deadline, instead of sleeping for a while and hoping."""

import os
import time

# How many times slower than it should be the machine is; an emulated one says so. Deadlines and the
# times that probes are given are multiplied.
SLOWNESS = int(os.environ.get("LEAT_TEST_SLOWNESS", "1"))
POLL_S = 0.02


def wait_until(condition, deadline_s=10.0, what="the condition"):
    """Returns the condition's first true value; fails with `what` and its last value after that."""
    deadline_s *= SLOWNESS
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {deadline_s} s; last: {value!r}")
        time.sleep(POLL_S)
