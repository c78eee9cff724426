# SPDX-License-Identifier: GPL-2.0-only
"""Connections that nobody's change breaks; `make soak` does the same at full size."""

import os
import secrets

import churn
import pytest
from verdict import Outage, split


@pytest.fixture(name="seed")
def make_seed():
    """Prints its seed, which pytest shows with a failure; LEAT_TEST_SEED repeats it."""
    seed = int(os.environ.get("LEAT_TEST_SEED") or secrets.randbits(32))
    print(f"LEAT_TEST_SEED={seed}")
    return seed


def test_no_connection_breaks_whatever_changes(directory, seed):
    size = churn.SIZES["small"]

    report = churn.run(directory, size, seed)

    churn.print_report(report)
    assert report["broken"] == 0
    assert report["problems"] == []
    assert report["open"] > 0.9 * (size.flows + size.flows6)
    assert report["exchanges"] > size.events / 2 * size.flows
    assert len(report["backends"]) > 1
    assert [flood["kind"] for flood in report["floods"]] == ["syn", "ack"]
    assert all(flood["sent"] for flood in report["floods"])


def test_connections_that_do_break_are_seen(directory, seed):
    """Disabling a backend breaks what is on it; here that is excused, but it has to be there."""
    report = churn.run(directory, churn.SIZES["small"], seed, events=1, kinds=["disable"])

    assert report["excused"] > 20
    assert report["broken"] == 0


OUTAGE = Outage("web2", "dead", began=10.0, noticed=12.0, ended=20.0)
BROKEN = {
    "on it when it died": ("web2", 5.0, 10.1, True),
    "on it and silent until after it came back": ("web2", 9.0, 21.0, True),
    "opened towards it before anybody knew": ("web2", 11.0, 11.1, True),
    "opened before anybody knew, and never answered": (None, 11.0, 13.0, True),
    "on it and broken before it died": ("web2", 5.0, 9.9, False),
    "opened when it was back": ("web2", 20.5, 21.0, False),
    "never answered, after everybody knew": (None, 12.5, 13.0, False),
    "on another backend": ("web1", 5.0, 10.1, False),
}


@pytest.mark.parametrize("backend, opened, broke, is_excused", BROKEN.values(), ids=BROKEN.keys())
def test_only_what_an_outage_explains_is_excused(backend, opened, broke, is_excused):
    flow = {"backend": backend, "opened": opened, "time": broke}

    guilty, excused = split([flow], [OUTAGE])

    assert (guilty, excused) == (([], [flow]) if is_excused else ([flow], []))
