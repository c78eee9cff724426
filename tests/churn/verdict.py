# SPDX-License-Identifier: GPL-2.0-only
"""Which broken flows are excused: those whose own backend did not serve, and no others.

Times are seconds of CLOCK_MONOTONIC, here and in what the clients report.
"""

import dataclasses
from typing import Optional


@dataclasses.dataclass
class Outage:
    """
    A backend that was dead, unplugged or disabled (the cause). Until it was `noticed`, new flows
    were still sent to it; until it `ended`, nothing that had been on it could be expected to live.
    None: not yet.
    """

    backend: str
    cause: str
    began: float
    noticed: Optional[float] = None
    ended: Optional[float] = None

    def excuses(self, broken):
        """A flow that was never answered may have been on any backend, so only for as long."""
        if broken["backend"] not in (self.backend, None):
            return False
        until = self.ended if broken["backend"] else self.noticed
        return broken["time"] >= self.began and (until is None or broken["opened"] <= until)


def split(broken_flows, outages):
    """Returns those that nothing excuses, and those that an outage does."""
    guilty, excused = [], []
    for broken in broken_flows:
        is_excused = any(outage.excuses(broken) for outage in outages)
        (excused if is_excused else guilty).append(broken)
    return guilty, excused
